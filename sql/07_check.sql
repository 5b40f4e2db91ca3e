-- Finds out what is wrong between SQL Server and the cluster.
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO

-- One row a step, in the order in which a call takes them: the first that failed,
-- and what to do. The policy must allow this client `get` on `@path`.
CREATE OR ALTER PROCEDURE k8s.[check]
  @path nvarchar(max) = N'/version'
WITH EXECUTE AS OWNER
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @failed nvarchar(10);
  DECLARE @detail nvarchar(2048);
  DECLARE @credential sysname = (SELECT url FROM k8s.config);

  IF NOT EXISTS (
    SELECT 1 FROM sys.configurations
    WHERE name = N'external rest endpoint enabled' AND value_in_use = 1
  )
    SELECT @failed = N'setting', @detail = N'run 01_settings.sql';
  ELSE IF NOT EXISTS (
    SELECT 1 FROM sys.database_scoped_credentials
    WHERE name = @credential AND credential_identity = N'HTTPEndpointHeaders'
  )
    SELECT
      @failed = N'credential',
      @detail = CONCAT(
        N'no credential is named as k8s.config.url, "', @credential,
        N'", and granted to k8s_owner: run 02_credential.sql and 08_grants.sql'
      );
  ELSE
  BEGIN
    BEGIN TRY
      EXECUTE k8s.[call] @method = N'GET', @path = @path, @timeout = 20, @retry_count = 0;
    END TRY
    BEGIN CATCH
      SET @detail = LEFT(ERROR_MESSAGE(), 2048);
      SET @failed = CASE ERROR_NUMBER()
        WHEN 31643 THEN N'setting'
        WHEN 31628 THEN N'credential'
        WHEN 31630 THEN N'credential'
        WHEN 31639 THEN N'credential'
        WHEN 8189 THEN N'permission'
        WHEN 15151 THEN N'permission'
        WHEN 50004 THEN COALESCE(
          (SELECT TOP (1) step FROM k8s.hresult WHERE CHARINDEX(code, LOWER(ERROR_MESSAGE())) > 0),
          IIF(ERROR_MESSAGE() LIKE N'%(Msg 3162[245]:%', N'dns', N'gateway')
        )
        WHEN 50401 THEN N'key'
        WHEN 50403 THEN N'policy'
        WHEN 50429 THEN N'policy'
        WHEN 50502 THEN N'apiserver'
        WHEN 50503 THEN N'apiserver'
        WHEN 50504 THEN N'apiserver'
        ELSE N'gateway'
      END;
    END CATCH;
  END;

  SELECT
    step.name AS step,
    CASE
      WHEN step.number < ISNULL(failed.number, 11) THEN N'ok'
      WHEN step.number = failed.number THEN N'failed'
      ELSE N'not reached'
    END AS outcome,
    step.question,
    IIF(step.number = failed.number, @detail, NULL) AS detail
  FROM (
    VALUES
      (1, N'setting', N'may this instance call REST endpoints?'),
      (2, N'credential', N'is there a credential for the URL?'),
      (3, N'permission', N'may k8s_owner call out, with this credential?'),
      (4, N'dns', N'is the host name found?'),
      (5, N'connect', N'does the port accept connections?'),
      (6, N'trust', N'is the certificate trusted, and right?'),
      (7, N'gateway', N'does the gateway answer, in JSON?'),
      (8, N'key', N'does the gateway know the key?'),
      (9, N'policy', N'does the policy allow the request?'),
      (10, N'apiserver', N'does the cluster answer?')
  ) AS step (number, name, question)
  LEFT JOIN (
    VALUES
      (1, N'setting'), (2, N'credential'), (3, N'permission'), (4, N'dns'), (5, N'connect'),
      (6, N'trust'), (7, N'gateway'), (8, N'key'), (9, N'policy'), (10, N'apiserver')
  ) AS failed (number, name) ON failed.name = @failed
  ORDER BY step.number;
END;
GO
