-- Allows this instance to call REST endpoints. Needs ALTER SETTINGS.
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO
SET NOCOUNT ON;
IF EXISTS (
  SELECT 1 FROM sys.configurations
  WHERE name = N'external rest endpoint enabled' AND value_in_use = 0
)
BEGIN
  EXECUTE sp_configure 'external rest endpoint enabled', 1;
  RECONFIGURE WITH OVERRIDE;
END;
GO
