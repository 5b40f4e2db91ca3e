-- Keeps the API key in a credential that is named by the gateway's URL, so that
-- SQL Server sends it there and nowhere else. Run it again with a new key to rotate.
--
--   KEYHOLE_URL                  https://host[:port][/path], at most 128 characters, no slash at the end
--   KEYHOLE_KEY                  the key; from the environment, never in a file
--   KEYHOLE_MASTER_KEY_PASSWORD  used only if the database has no master key yet
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO
SET NOCOUNT ON;
IF NOT EXISTS (SELECT 1 FROM sys.symmetric_keys WHERE name = N'##MS_DatabaseMasterKey##')
  CREATE MASTER KEY ENCRYPTION BY PASSWORD = '$(KEYHOLE_MASTER_KEY_PASSWORD)';
GO
IF EXISTS (SELECT 1 FROM sys.database_scoped_credentials WHERE name = N'$(KEYHOLE_URL)')
  ALTER DATABASE SCOPED CREDENTIAL [$(KEYHOLE_URL)]
  WITH IDENTITY = 'HTTPEndpointHeaders', SECRET = '{"x-api-key":"$(KEYHOLE_KEY)"}';
ELSE
  CREATE DATABASE SCOPED CREDENTIAL [$(KEYHOLE_URL)]
  WITH IDENTITY = 'HTTPEndpointHeaders', SECRET = '{"x-api-key":"$(KEYHOLE_KEY)"}';
GO
