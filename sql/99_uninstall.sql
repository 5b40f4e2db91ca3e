-- Takes the kit out of this database, with the credential and what is in the outbox.
-- The master key and the instance's setting stay: others may need them.
--
--   KEYHOLE_URL  as in 02_credential.sql
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO
SET NOCOUNT ON;
DECLARE @statements nvarchar(max);

SELECT @statements = ISNULL(STRING_AGG(
  CONVERT(nvarchar(max), CONCAT(
    N'DROP ',
    CASE type WHEN 'P' THEN N'PROCEDURE' WHEN 'FN' THEN N'FUNCTION' ELSE N'TABLE' END,
    N' k8s.', QUOTENAME(name), N';'
  )),
  N' '
), N'')
FROM sys.objects
WHERE schema_id = SCHEMA_ID(N'k8s') AND type IN ('P', 'FN', 'U');
EXECUTE sys.sp_executesql @statements;

SELECT @statements = ISNULL(STRING_AGG(
  CONVERT(nvarchar(max), CONCAT(
    N'ALTER ROLE ', QUOTENAME(role.name), N' DROP MEMBER ', QUOTENAME(member.name), N';'
  )),
  N' '
), N'')
FROM sys.database_role_members AS membership
INNER JOIN sys.database_principals AS role ON role.principal_id = membership.role_principal_id
INNER JOIN sys.database_principals AS member ON member.principal_id = membership.member_principal_id
WHERE role.name IN (N'k8s_reader', N'k8s_operator');
EXECUTE sys.sp_executesql @statements;

DROP ROLE IF EXISTS k8s_operator;
DROP ROLE IF EXISTS k8s_reader;
DROP SCHEMA IF EXISTS k8s;
IF EXISTS (SELECT 1 FROM sys.database_scoped_credentials WHERE name = N'$(KEYHOLE_URL)')
  DROP DATABASE SCOPED CREDENTIAL [$(KEYHOLE_URL)];
DROP USER IF EXISTS k8s_owner;
GO
