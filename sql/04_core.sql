-- What all other procedures stand on: names, paths, and the one place that calls out.
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO

-- Whether this is a DNS-1123 subdomain, as the names of objects are. Such a name
-- needs no escape in a path and cannot leave it.
CREATE OR ALTER FUNCTION k8s.is_name (@name nvarchar(4000))
RETURNS bit
AS
BEGIN
  RETURN CASE
    WHEN DATALENGTH(@name) BETWEEN 2 AND 506
      AND @name COLLATE Latin1_General_BIN2 NOT LIKE N'%[^-a-z0-9.]%'
      AND @name COLLATE Latin1_General_BIN2 LIKE N'[a-z0-9]%'
      AND @name COLLATE Latin1_General_BIN2 LIKE N'%[a-z0-9]'
      AND @name NOT LIKE N'%..%'
      AND @name NOT LIKE N'%.-%'
      AND @name NOT LIKE N'%-.%'
      THEN 1
    ELSE 0
  END;
END;
GO

-- Whether this is a DNS-1123 label, as the names of namespaces are.
CREATE OR ALTER FUNCTION k8s.is_label (@name nvarchar(4000))
RETURNS bit
AS
BEGIN
  RETURN CASE
    WHEN k8s.is_name(@name) = 1 AND DATALENGTH(@name) <= 126 AND @name NOT LIKE N'%.%' THEN 1
    ELSE 0
  END;
END;
GO

-- Percent-encodes all but the unreserved characters of RFC 3986, as UTF-8.
CREATE OR ALTER FUNCTION k8s.url_encode (@text nvarchar(max))
RETURNS nvarchar(max)
AS
BEGIN
  DECLARE @bytes varbinary(max) = CONVERT(
    varbinary(max), CONVERT(varchar(max), @text COLLATE Latin1_General_100_BIN2_UTF8)
  );
  DECLARE @encoded nvarchar(max) = IIF(@text IS NULL, NULL, N'');
  DECLARE @at int = 1;
  DECLARE @byte binary(1);
  WHILE @at <= DATALENGTH(@bytes)
  BEGIN
    SET @byte = SUBSTRING(@bytes, @at, 1);
    SET @encoded += IIF(
      NCHAR(CONVERT(tinyint, @byte)) COLLATE Latin1_General_BIN2 LIKE N'[-A-Za-z0-9._~]',
      NCHAR(CONVERT(tinyint, @byte)),
      N'%' + CONVERT(nchar(2), @byte, 2)
    );
    SET @at += 1;
  END;
  RETURN @encoded;
END;
GO

-- `&name=value`, or nothing without a value.
CREATE OR ALTER FUNCTION k8s.query_pair (@name nvarchar(40), @value nvarchar(max))
RETURNS nvarchar(max)
AS
BEGIN
  RETURN ISNULL(N'&' + @name + N'=' + k8s.url_encode(@value), N'');
END;
GO

-- Throws 50001 unless the names are such. NULL is a name that was not given.
CREATE OR ALTER PROCEDURE k8s.require_names
  @namespace nvarchar(4000) = NULL,
  @name nvarchar(4000) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @message nvarchar(2048);
  IF @namespace IS NOT NULL AND k8s.is_label(@namespace) = 0
  BEGIN
    SET @message = CONCAT(
      N'"', LEFT(@namespace, 100), N'" is no namespace: write a-z, 0-9 and "-", at most 63 characters'
    );
    THROW 50001, @message, 1;
  END;
  IF @name IS NOT NULL AND k8s.is_name(@name) = 0
  BEGIN
    SET @message = CONCAT(
      N'"', LEFT(@name, 100), N'" is no name of an object: write a-z, 0-9, "-" and ".", at most 253 characters'
    );
    THROW 50001, @message, 1;
  END;
END;
GO

-- Calls the gateway. `@result` is the JSON document of a 2xx, NULL after 204.
--
-- Throws 50000 + the HTTP code for a refusal, with the reason, the message and the
-- request id; and
--
--   50001  an argument is wrong; nothing was sent
--   50002  a change was asked for inside a transaction; nothing was sent
--   50003  k8s.config is empty; nothing was sent
--   50004  a read had no answer, or a change was surely not sent
--   50005  a change may have been made: look before you repeat it
--
-- What SQL Server itself refuses (31643, 31630, 8189, ...) keeps its number.
CREATE OR ALTER PROCEDURE k8s.[call]
  @method nvarchar(6),
  @path nvarchar(max),
  @headers nvarchar(4000) = N'{"accept":"application/json"}',
  @payload nvarchar(max) = NULL,
  @timeout smallint = 30,
  @retry_count tinyint = NULL,
  @result nvarchar(max) = NULL OUTPUT,
  @request_id nvarchar(100) = NULL OUTPUT
WITH EXECUTE AS OWNER
AS
BEGIN
  SET NOCOUNT ON;
  IF @method <> N'GET' AND @@TRANCOUNT > 0
    THROW 50002, 'a change in the cluster cannot be rolled back: commit first, turn autocommit on, or use k8s.enqueue', 1;

  DECLARE @credential sysname = (SELECT url FROM k8s.config);
  IF @credential IS NULL
    THROW 50003, 'k8s.config is empty: run 03_schema.sql', 1;

  IF @path IS NULL
    OR @path NOT LIKE N'/%'
    OR @path COLLATE Latin1_General_BIN2 LIKE N'%[^-A-Za-z0-9._~/?&=%:,]%'
    OR LEN(@credential) + LEN(@path) > 4000
    THROW 50001, 'the path must start with "/", have its values percent-encoded, and fit into 4000 characters', 1;
  DECLARE @url nvarchar(4000) = @credential + @path;

  -- Sending a change twice is for the caller to allow: it must be idempotent.
  SET @retry_count = ISNULL(@retry_count, IIF(@method = N'GET', 3, 0));
  DECLARE @status int;
  DECLARE @response nvarchar(max);
  DECLARE @message nvarchar(2048);
  DECLARE @number int;
  SELECT @result = NULL, @request_id = NULL;

  BEGIN TRY
    -- No document says what @payload = NULL does, so there are two calls.
    IF @payload IS NULL
      EXECUTE @status = sys.sp_invoke_external_rest_endpoint
        @url = @url,
        @method = @method,
        @headers = @headers,
        @timeout = @timeout,
        @credential = @credential,
        @retry_count = @retry_count,
        @response = @response OUTPUT;
    ELSE
      EXECUTE @status = sys.sp_invoke_external_rest_endpoint
        @url = @url,
        @method = @method,
        @headers = @headers,
        @payload = @payload,
        @timeout = @timeout,
        @credential = @credential,
        @retry_count = @retry_count,
        @response = @response OUTPUT;
  END TRY
  BEGIN CATCH
    -- 11558 no JSON, 31601/31611 too large, 31608 no exchange, 31622-31625 no host,
    -- 31629 out of time, 31631 a failed wait, 31737 too large.
    IF ERROR_NUMBER() NOT IN (11558, 31601, 31608, 31611, 31622, 31624, 31625, 31629, 31631, 31737)
      THROW;
    DECLARE @step nvarchar(10);
    DECLARE @advice nvarchar(700);
    SELECT @step = step, @advice = CONCAT(N': ', meaning, N'; ', advice)
    FROM k8s.hresult
    WHERE CHARINDEX(code, LOWER(ERROR_MESSAGE())) > 0;
    SET @number = CASE
      WHEN @method = N'GET' OR @step IN (N'dns', N'connect', N'trust') OR ERROR_NUMBER() IN (31622, 31624, 31625)
        THEN 50004
      ELSE 50005
    END;
    SET @message = LEFT(CONCAT(
      IIF(@number = 50005, N'the change may have been made, look before you repeat it; ', N''),
      N'no answer from the gateway', @advice,
      N' (Msg ', ERROR_NUMBER(), N': ', ERROR_MESSAGE(), N')'
    ), 2048);
    THROW @number, @message, 1;
  END CATCH;

  SELECT @request_id = LEFT(value, 100)
  FROM OPENJSON(@response, '$.response.headers')
  WHERE LOWER([key]) = N'x-request-id';

  IF @status = 0
  BEGIN
    SET @result = JSON_QUERY(@response, '$.result');
    RETURN;
  END;

  DECLARE @reason nvarchar(100);
  DECLARE @said nvarchar(max);
  SELECT @reason = reason, @said = [message]
  FROM OPENJSON(@response, '$.result')
  WITH (
    reason nvarchar(100) '$.reason',
    [message] nvarchar(max) '$.message'
  );
  SET @number = IIF(@reason = N'OutcomeUnknown', 50005, 50000 + @status);
  SET @message = LEFT(CONCAT(
    @status, N' ', @reason, N': ', LEFT(@said, 1800), N' (request ', @request_id, N')'
  ), 2048);
  THROW @number, @message, 1;
END;
GO

-- Any object or list that the policy allows, as JSON. Encode values in the query
-- by k8s.url_encode.
CREATE OR ALTER PROCEDURE k8s.[get]
  @path nvarchar(max),
  @result nvarchar(max) = NULL OUTPUT,
  @request_id nvarchar(100) = NULL OUTPUT
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @headers nvarchar(4000) = JSON_OBJECT('x-keyhole-view': N'compact');
  EXECUTE k8s.[call]
    @method = N'GET',
    @path = @path,
    @headers = @headers,
    @result = @result OUTPUT,
    @request_id = @request_id OUTPUT;
END;
GO

-- Reads a list, page by page, into the caller's table #pages (page nvarchar(max)).
-- `@path` has a query already.
CREATE OR ALTER PROCEDURE k8s.list_pages
  @path nvarchar(max),
  @view nvarchar(20) = N'compact'
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @headers nvarchar(4000) = JSON_OBJECT('x-keyhole-view': @view);
  DECLARE @next nvarchar(max) = @path;
  DECLARE @page nvarchar(max);
  DECLARE @continue nvarchar(max);
  DECLARE @restarted bit = 0;
  WHILE 1 = 1
  BEGIN
    BEGIN TRY
      EXECUTE k8s.[call]
        @method = N'GET',
        @path = @next,
        @headers = @headers,
        @result = @page OUTPUT;
    END TRY
    BEGIN CATCH
      -- The list was read so slowly that its snapshot is gone.
      IF ERROR_NUMBER() <> 50410 OR @restarted = 1
        THROW;
      DELETE FROM #pages;
      SELECT @restarted = 1, @next = @path;
      CONTINUE;
    END CATCH;

    INSERT INTO #pages (page) VALUES (@page);
    SET @continue = NULL;
    SELECT @continue = [continue]
    FROM OPENJSON(@page, '$.metadata')
    WITH ([continue] nvarchar(max) '$.continue');
    IF ISNULL(@continue, N'') = N''
      BREAK;
    SET @next = @path + k8s.query_pair(N'continue', @continue);
  END;
END;
GO
