-- What changes the cluster. None of it runs inside a transaction.
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO

-- The path of one object, or of its collection if `@name` is NULL.
CREATE OR ALTER PROCEDURE k8s.locate
  @api_version nvarchar(253) = NULL,
  @kind nvarchar(63),
  @namespace nvarchar(4000),
  @name nvarchar(4000) = NULL,
  @path nvarchar(max) OUTPUT
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace, @name = @name;
  DECLARE @message nvarchar(2048);
  DECLARE @plural nvarchar(63);
  DECLARE @namespaced bit;
  DECLARE @known int;
  SELECT
    @known = COUNT(*),
    @api_version = MAX(api_version),
    @plural = MAX(plural),
    @namespaced = MAX(CONVERT(tinyint, namespaced))
  FROM k8s.kinds
  WHERE kind = @kind AND (api_version = @api_version OR @api_version IS NULL);
  IF @known <> 1
  BEGIN
    SET @message = CONCAT(
      N'k8s.kinds has ', @known, N' rows for the kind "', @kind, N'" ', @api_version,
      IIF(@known = 0, N': add one', N': say which by its apiVersion')
    );
    THROW 50001, @message, 1;
  END;
  IF @namespaced = 1 AND @namespace IS NULL
  BEGIN
    SET @message = CONCAT(N'a ', @kind, N' is in a namespace: give one');
    THROW 50001, @message, 1;
  END;
  SET @path = IIF(@api_version = N'v1', N'/api/', N'/apis/') + @api_version
    + IIF(@namespaced = 1, N'/namespaces/' + @namespace, N'')
    + N'/' + @plural + ISNULL(N'/' + @name, N'');
END;
GO

-- What a manifest is about. Throws unless it is JSON and names one object.
CREATE OR ALTER PROCEDURE k8s.read_manifest
  @manifest nvarchar(max),
  @namespace nvarchar(4000) OUTPUT,
  @api_version nvarchar(253) OUTPUT,
  @kind nvarchar(63) OUTPUT,
  @name nvarchar(4000) OUTPUT
AS
BEGIN
  SET NOCOUNT ON;
  IF ISNULL(ISJSON(@manifest, OBJECT), 0) = 0
    THROW 50001, 'the manifest is not a JSON object', 1;
  DECLARE @written nvarchar(4000);
  SELECT
    @api_version = manifest.api_version,
    @kind = manifest.kind,
    @name = manifest.name,
    @written = manifest.namespace
  FROM OPENJSON(@manifest)
  WITH (
    api_version nvarchar(253) '$.apiVersion',
    kind nvarchar(63) '$.kind',
    name nvarchar(4000) '$.metadata.name',
    namespace nvarchar(4000) '$.metadata.namespace'
  ) AS manifest;
  IF @api_version IS NULL OR @kind IS NULL OR @name IS NULL
    THROW 50001, 'the manifest needs apiVersion, kind and metadata.name', 1;
  IF @written <> @namespace
    THROW 50001, '@namespace is not the namespace of the manifest: give one of them', 1;
  SET @namespace = ISNULL(@namespace, @written);
END;
GO

-- Creates an object or brings it into the state that the manifest describes, by
-- server-side apply. `@force` takes fields over from other managers.
CREATE OR ALTER PROCEDURE k8s.apply
  @manifest nvarchar(max),
  @namespace nvarchar(4000) = NULL,
  @force bit = 0,
  @dry_run bit = 0,
  @result nvarchar(max) = NULL OUTPUT
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @api_version nvarchar(253);
  DECLARE @kind nvarchar(63);
  DECLARE @name nvarchar(4000);
  DECLARE @object nvarchar(max);
  EXECUTE k8s.read_manifest
    @manifest = @manifest,
    @namespace = @namespace OUTPUT,
    @api_version = @api_version OUTPUT,
    @kind = @kind OUTPUT,
    @name = @name OUTPUT;
  EXECUTE k8s.locate
    @api_version = @api_version,
    @kind = @kind,
    @namespace = @namespace,
    @name = @name,
    @path = @object OUTPUT;
  DECLARE @force_text nvarchar(5) = IIF(@force = 1, N'true', NULL);
  DECLARE @dry_run_text nvarchar(5) = IIF(@dry_run = 1, N'All', NULL);
  DECLARE @path nvarchar(max) = @object + N'?fieldValidation=Strict'
    + k8s.query_pair(N'force', @force_text)
    + k8s.query_pair(N'dryRun', @dry_run_text);
  DECLARE @headers nvarchar(4000) = JSON_OBJECT('x-keyhole-patch': N'apply');
  EXECUTE k8s.[call]
    @method = N'PATCH',
    @path = @path,
    @headers = @headers,
    @payload = @manifest,
    @retry_count = 2,
    @result = @result OUTPUT;
END;
GO

-- Creates an object; it must have a name. With `@exists_ok`, one that is there
-- already is left as it is.
CREATE OR ALTER PROCEDURE k8s.[create]
  @manifest nvarchar(max),
  @namespace nvarchar(4000) = NULL,
  @exists_ok bit = 0,
  @dry_run bit = 0,
  @result nvarchar(max) = NULL OUTPUT
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @api_version nvarchar(253);
  DECLARE @kind nvarchar(63);
  DECLARE @name nvarchar(4000);
  DECLARE @collection nvarchar(max);
  EXECUTE k8s.read_manifest
    @manifest = @manifest,
    @namespace = @namespace OUTPUT,
    @api_version = @api_version OUTPUT,
    @kind = @kind OUTPUT,
    @name = @name OUTPUT;
  EXECUTE k8s.require_names @name = @name;
  EXECUTE k8s.locate
    @api_version = @api_version,
    @kind = @kind,
    @namespace = @namespace,
    @path = @collection OUTPUT;
  DECLARE @dry_run_text nvarchar(5) = IIF(@dry_run = 1, N'All', NULL);
  DECLARE @path nvarchar(max) = @collection + N'?fieldValidation=Strict'
    + k8s.query_pair(N'dryRun', @dry_run_text);
  BEGIN TRY
    EXECUTE k8s.[call]
      @method = N'POST',
      @path = @path,
      @payload = @manifest,
      @result = @result OUTPUT;
  END TRY
  BEGIN CATCH
    IF @exists_ok = 0 OR ERROR_NUMBER() <> 50409 OR ERROR_MESSAGE() NOT LIKE N'409 AlreadyExists:%'
      THROW;
  END CATCH;
END;
GO

-- Deletes an object and, by default in the background, what it owns.
CREATE OR ALTER PROCEDURE k8s.[delete]
  @kind nvarchar(63),
  @name nvarchar(4000),
  @namespace nvarchar(4000) = NULL,
  @api_version nvarchar(253) = NULL,
  @propagation nvarchar(10) = N'Background',
  @missing_ok bit = 0,
  @dry_run bit = 0
AS
BEGIN
  SET NOCOUNT ON;
  IF @name IS NULL
    THROW 50001, '@name is NULL: this procedure deletes one object, never a collection', 1;
  DECLARE @object nvarchar(max);
  EXECUTE k8s.locate
    @api_version = @api_version,
    @kind = @kind,
    @namespace = @namespace,
    @name = @name,
    @path = @object OUTPUT;
  DECLARE @dry_run_text nvarchar(5) = IIF(@dry_run = 1, N'All', NULL);
  DECLARE @path nvarchar(max) = @object + N'?propagationPolicy=' + k8s.url_encode(@propagation)
    + k8s.query_pair(N'dryRun', @dry_run_text);
  BEGIN TRY
    EXECUTE k8s.[call] @method = N'DELETE', @path = @path;
  END TRY
  BEGIN CATCH
    IF @missing_ok = 0 OR ERROR_NUMBER() <> 50404
      THROW;
  END CATCH;
END;
GO

CREATE OR ALTER PROCEDURE k8s.scale
  @namespace nvarchar(4000),
  @name nvarchar(4000),
  @replicas int,
  @kind nvarchar(63) = N'Deployment'
AS
BEGIN
  SET NOCOUNT ON;
  IF @name IS NULL OR ISNULL(@replicas, -1) < 0
    THROW 50001, 'give @name, and @replicas of 0 or more', 1;
  DECLARE @object nvarchar(max);
  EXECUTE k8s.locate @kind = @kind, @namespace = @namespace, @name = @name, @path = @object OUTPUT;
  DECLARE @path nvarchar(max) = @object + N'/scale';
  DECLARE @headers nvarchar(4000) = JSON_OBJECT('x-keyhole-patch': N'merge');
  DECLARE @payload nvarchar(max) = JSON_OBJECT('spec': JSON_OBJECT('replicas': @replicas));
  EXECUTE k8s.[call]
    @method = N'PATCH',
    @path = @path,
    @headers = @headers,
    @payload = @payload,
    @retry_count = 2;
END;
GO

-- Replaces the pods one after another, as `kubectl rollout restart` does. Two calls
-- with the same `@at` restart once.
CREATE OR ALTER PROCEDURE k8s.restart
  @namespace nvarchar(4000),
  @name nvarchar(4000),
  @kind nvarchar(63) = N'Deployment',
  @at datetime2(0) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  IF @name IS NULL
    THROW 50001, 'give @name', 1;
  DECLARE @path nvarchar(max);
  EXECUTE k8s.locate @kind = @kind, @namespace = @namespace, @name = @name, @path = @path OUTPUT;
  DECLARE @restarted_at nvarchar(30) = CONVERT(nvarchar(19), ISNULL(@at, SYSUTCDATETIME()), 126) + N'Z';
  DECLARE @headers nvarchar(4000) = JSON_OBJECT('x-keyhole-patch': N'merge');
  DECLARE @payload nvarchar(max) = JSON_OBJECT(
    'spec': JSON_OBJECT(
      'template': JSON_OBJECT(
        'metadata': JSON_OBJECT(
          'annotations': JSON_OBJECT('kubectl.kubernetes.io/restartedAt': @restarted_at)
        )
      )
    )
  );
  EXECUTE k8s.[call]
    @method = N'PATCH',
    @path = @path,
    @headers = @headers,
    @payload = @payload,
    @retry_count = 2;
END;
GO

-- Waits until an object is complete, ready or deleted. `@outcome` is met, failed or
-- timeout; the gateway waits at most 220 s at a time.
CREATE OR ALTER PROCEDURE k8s.wait
  @kind nvarchar(63),
  @namespace nvarchar(4000),
  @name nvarchar(4000),
  @condition nvarchar(10) = N'complete',
  @seconds int = 220,
  @api_version nvarchar(253) = NULL,
  @outcome nvarchar(10) = NULL OUTPUT,
  @object nvarchar(max) = NULL OUTPUT
AS
BEGIN
  SET NOCOUNT ON;
  IF @name IS NULL OR @condition NOT IN (N'complete', N'ready', N'deleted') OR @condition IS NULL
    THROW 50001, 'give @name, and a @condition: complete, ready or deleted', 1;
  DECLARE @path nvarchar(max);
  EXECUTE k8s.locate
    @api_version = @api_version,
    @kind = @kind,
    @namespace = @namespace,
    @name = @name,
    @path = @path OUTPUT;
  SET @path = @path + N'?for=' + @condition;
  DECLARE @end datetime2(3) = DATEADD(SECOND, @seconds, SYSUTCDATETIME());
  DECLARE @left int = @seconds;
  DECLARE @headers nvarchar(4000);
  DECLARE @timeout smallint;
  DECLARE @result nvarchar(max);
  SET @outcome = N'timeout';
  WHILE @outcome = N'timeout' AND @left > 0
  BEGIN
    SET @left = IIF(@left > 220, 220, @left);
    SET @timeout = @left + 10;
    SET @headers = JSON_OBJECT('x-keyhole-wait': CONVERT(nvarchar(3), @left));
    EXECUTE k8s.[call]
      @method = N'GET',
      @path = @path,
      @headers = @headers,
      @timeout = @timeout,
      @result = @result OUTPUT;
    SELECT @outcome = answer.outcome, @object = answer.object
    FROM OPENJSON(@result)
    WITH (
      outcome nvarchar(10) '$.outcome',
      object nvarchar(max) '$.object' AS JSON
    ) AS answer;
    SET @left = DATEDIFF(SECOND, SYSUTCDATETIME(), @end);
  END;
END;
GO

-- Runs a Job: one of a CronJob's, or `@template`, the manifest of a Job. Without
-- `@name` it gets a new one. With `@wait_seconds` it waits, and throws 50006 if the
-- Job failed and 50007 if it was not done by then.
CREATE OR ALTER PROCEDURE k8s.run_job
  @namespace nvarchar(4000),
  @cronjob nvarchar(4000) = NULL,
  @template nvarchar(max) = NULL,
  @name nvarchar(4000) = NULL OUTPUT,
  @exists_ok bit = 0,
  @wait_seconds int = 0,
  @outcome nvarchar(10) = NULL OUTPUT
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace, @name = @cronjob;
  IF IIF(@cronjob IS NULL, 0, 1) + IIF(@template IS NULL, 0, 1) <> 1 OR @namespace IS NULL
    THROW 50001, 'give @namespace, and one of @cronjob and @template', 1;

  DECLARE @base nvarchar(4000) = @cronjob;
  DECLARE @uid nvarchar(40);
  DECLARE @labels nvarchar(max);
  DECLARE @annotations nvarchar(max);
  DECLARE @spec nvarchar(max);
  IF @cronjob IS NOT NULL
  BEGIN
    DECLARE @path nvarchar(max) = N'/apis/batch/v1/namespaces/' + @namespace + N'/cronjobs/' + @cronjob;
    DECLARE @headers nvarchar(4000) = JSON_OBJECT('x-keyhole-view': N'compact');
    DECLARE @object nvarchar(max);
    EXECUTE k8s.[call]
      @method = N'GET',
      @path = @path,
      @headers = @headers,
      @result = @object OUTPUT;
    SELECT
      @uid = found.uid,
      @labels = found.labels,
      @annotations = ISNULL(found.annotations, N'{}'),
      @spec = found.spec
    FROM OPENJSON(@object)
    WITH (
      uid nvarchar(40) '$.metadata.uid',
      labels nvarchar(max) '$.spec.jobTemplate.metadata.labels' AS JSON,
      annotations nvarchar(max) '$.spec.jobTemplate.metadata.annotations' AS JSON,
      spec nvarchar(max) '$.spec.jobTemplate.spec' AS JSON
    ) AS found;
    SET @annotations = JSON_MODIFY(@annotations, '$."cronjob.kubernetes.io/instantiate"', N'manual');
  END;
  ELSE
  BEGIN
    DECLARE @api_version nvarchar(253);
    DECLARE @kind nvarchar(63);
    EXECUTE k8s.read_manifest
      @manifest = @template,
      @namespace = @namespace OUTPUT,
      @api_version = @api_version OUTPUT,
      @kind = @kind OUTPUT,
      @name = @base OUTPUT;
    IF @kind <> N'Job'
      THROW 50001, '@template is not the manifest of a Job', 1;
  END;

  -- The pods' names begin with it, so it is a label: at most 63 characters.
  SET @name = ISNULL(
    @name,
    LEFT(REPLACE(@base, N'.', N'-'), 54) + N'-' + LOWER(LEFT(CONVERT(nvarchar(36), NEWID()), 8))
  );
  DECLARE @manifest nvarchar(max) = JSON_MODIFY(@template, '$.metadata.name', @name);
  IF @cronjob IS NOT NULL
    SET @manifest = JSON_OBJECT(
      'apiVersion': N'batch/v1',
      'kind': N'Job',
      'metadata': JSON_OBJECT(
        'name': @name,
        'labels': JSON_QUERY(@labels),
        'annotations': JSON_QUERY(@annotations),
        'ownerReferences': JSON_ARRAY(
          JSON_OBJECT(
            'apiVersion': N'batch/v1',
            'kind': N'CronJob',
            'name': @cronjob,
            'uid': @uid,
            'controller': CONVERT(bit, 1)
          )
        )
        ABSENT ON NULL
      ),
      'spec': JSON_QUERY(@spec)
    );
  EXECUTE k8s.[create] @manifest = @manifest, @namespace = @namespace, @exists_ok = @exists_ok;

  SET @outcome = NULL;
  IF ISNULL(@wait_seconds, 0) <= 0
    RETURN;
  EXECUTE k8s.wait
    @kind = N'Job',
    @namespace = @namespace,
    @name = @name,
    @seconds = @wait_seconds,
    @outcome = @outcome OUTPUT;
  DECLARE @message nvarchar(2048);
  IF @outcome = N'failed'
  BEGIN
    SET @message = CONCAT(N'the Job ', @namespace, N'/', @name, N' failed: see k8s.events and k8s.logs');
    THROW 50006, @message, 1;
  END;
  IF ISNULL(@outcome, N'') <> N'met'
  BEGIN
    SET @message = CONCAT(
      N'the Job ', @namespace, N'/', @name, N' is not done after ', @wait_seconds, N' s; it goes on'
    );
    THROW 50007, @message, 1;
  END;
END;
GO
