-- Changes for later, for triggers and transactions: a row that commits with the data,
-- and a procedure that a job of SQL Server Agent runs every minute or so.
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO
SET NOCOUNT ON;
IF OBJECT_ID(N'k8s.outbox', N'U') IS NULL
  CREATE TABLE k8s.outbox (
    id bigint IDENTITY NOT NULL CONSTRAINT outbox_key PRIMARY KEY,
    request_id uniqueidentifier NOT NULL CONSTRAINT outbox_request_id DEFAULT NEWID(),
    requested_at datetime2(0) NOT NULL CONSTRAINT outbox_requested_at DEFAULT SYSUTCDATETIME(),
    requested_by sysname NOT NULL CONSTRAINT outbox_requested_by DEFAULT ORIGINAL_LOGIN(),
    action nvarchar(10) NOT NULL
      CONSTRAINT outbox_action CHECK (action IN (N'apply', N'delete', N'scale', N'restart', N'run_job')),
    arguments nvarchar(max) NOT NULL CONSTRAINT outbox_arguments CHECK (ISJSON(arguments) = 1),
    state nvarchar(10) NOT NULL CONSTRAINT outbox_state DEFAULT N'pending'
      CONSTRAINT outbox_states CHECK (state IN (N'pending', N'done', N'failed')),
    attempts int NOT NULL CONSTRAINT outbox_attempts DEFAULT 0,
    attempted_at datetime2(0) NULL,
    error nvarchar(2048) NULL
  );
GO

-- Asks for a change. `@arguments` is an object with the parameters of the procedure
-- of that name, for example N'restart' and {"namespace":"shop","name":"web"}.
CREATE OR ALTER PROCEDURE k8s.enqueue
  @action nvarchar(10),
  @arguments nvarchar(max)
AS
BEGIN
  SET NOCOUNT ON;
  INSERT INTO k8s.outbox (action, arguments) VALUES (@action, @arguments);
END;
GO

-- Carries out one row. Every action may be repeated: whatever became of an earlier
-- attempt, the cluster ends in the same state.
CREATE OR ALTER PROCEDURE k8s.carry_out
  @id bigint
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @action nvarchar(10);
  DECLARE @requested_at datetime2(0);
  DECLARE @request_id uniqueidentifier;
  DECLARE @namespace nvarchar(4000);
  DECLARE @name nvarchar(4000);
  DECLARE @kind nvarchar(63);
  DECLARE @replicas int;
  DECLARE @cronjob nvarchar(4000);
  DECLARE @manifest nvarchar(max);
  SELECT
    @action = asked.action,
    @requested_at = asked.requested_at,
    @request_id = asked.request_id,
    @namespace = argument.namespace,
    @name = argument.name,
    @kind = argument.kind,
    @replicas = argument.replicas,
    @cronjob = argument.cronjob,
    @manifest = argument.manifest
  FROM k8s.outbox AS asked
  CROSS APPLY OPENJSON(asked.arguments)
  WITH (
    namespace nvarchar(4000) '$.namespace',
    name nvarchar(4000) '$.name',
    kind nvarchar(63) '$.kind',
    replicas int '$.replicas',
    cronjob nvarchar(4000) '$.cronjob',
    manifest nvarchar(max) '$.manifest' AS JSON
  ) AS argument
  WHERE asked.id = @id;

  IF @action = N'apply'
    EXECUTE k8s.apply @manifest = @manifest, @namespace = @namespace;
  IF @action = N'delete'
    EXECUTE k8s.[delete] @kind = @kind, @name = @name, @namespace = @namespace, @missing_ok = 1;
  SET @kind = ISNULL(@kind, N'Deployment');
  IF @action = N'scale'
    EXECUTE k8s.scale @namespace = @namespace, @name = @name, @replicas = @replicas, @kind = @kind;
  IF @action = N'restart'
    EXECUTE k8s.restart @namespace = @namespace, @name = @name, @kind = @kind, @at = @requested_at;
  IF @action = N'run_job'
  BEGIN
    -- The same name at each attempt, so that the Job runs once.
    SET @name = ISNULL(
      @name,
      LEFT(REPLACE(@cronjob, N'.', N'-'), 54) + N'-' + LOWER(LEFT(CONVERT(nvarchar(36), @request_id), 8))
    );
    EXECUTE k8s.run_job
      @namespace = @namespace,
      @cronjob = @cronjob,
      @template = @manifest,
      @name = @name OUTPUT,
      @exists_ok = 1;
  END;
END;
GO

-- Carries out what was asked for, in that order. A row that may succeed later holds
-- up those behind it until the next run, at most `@attempts` times.
CREATE OR ALTER PROCEDURE k8s.process_outbox
  @attempts int = 10
AS
BEGIN
  SET NOCOUNT ON;
  IF @@TRANCOUNT > 0
    THROW 50002, 'run this outside a transaction', 1;
  DECLARE @lock int;
  EXECUTE @lock = sys.sp_getapplock
    @Resource = N'k8s.outbox',
    @LockMode = N'Exclusive',
    @LockOwner = N'Session',
    @LockTimeout = 0;
  IF @lock < 0
    RETURN;

  DECLARE @id bigint;
  DECLARE @error nvarchar(2048);
  DECLARE @later bit = 0;
  WHILE @later = 0
  BEGIN
    SET @id = (SELECT MIN(id) FROM k8s.outbox WHERE state = N'pending');
    IF @id IS NULL
      BREAK;
    UPDATE k8s.outbox
    SET attempts += 1, attempted_at = SYSUTCDATETIME()
    WHERE id = @id;
    BEGIN TRY
      EXECUTE k8s.carry_out @id = @id;
      UPDATE k8s.outbox SET state = N'done', error = NULL WHERE id = @id;
    END TRY
    BEGIN CATCH
      -- No answer, an unknown outcome, too many requests, or nobody there: later.
      SET @later = IIF(
        ERROR_NUMBER() IN (50004, 50005, 50429, 50500, 50502, 50503, 50504, 10928)
        AND EXISTS (SELECT 1 FROM k8s.outbox WHERE id = @id AND attempts < @attempts),
        1,
        0
      );
      SET @error = LEFT(CONCAT(ERROR_NUMBER(), N': ', ERROR_MESSAGE()), 2048);
      UPDATE k8s.outbox
      SET state = IIF(@later = 1, N'pending', N'failed'), error = @error
      WHERE id = @id;
    END CATCH;
  END;
  EXECUTE sys.sp_releaseapplock @Resource = N'k8s.outbox', @LockOwner = N'Session';
END;
GO
