-- What to look at: each procedure returns one table. `@namespace` NULL means all
-- namespaces, which the policy calls cluster scope.
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO

-- The columns that kubectl shows; `status` is the reason why a pod does not run.
CREATE OR ALTER PROCEDURE k8s.pods
  @namespace nvarchar(4000) = NULL,
  @label_selector nvarchar(2000) = NULL,
  @field_selector nvarchar(2000) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace;
  DECLARE @path nvarchar(max) = N'/api/v1/' + ISNULL(N'namespaces/' + @namespace + N'/', N'')
    + N'pods?limit=500'
    + k8s.query_pair(N'labelSelector', @label_selector)
    + k8s.query_pair(N'fieldSelector', @field_selector);
  CREATE TABLE #pages (page nvarchar(max));
  EXECUTE k8s.list_pages @path = @path, @view = N'table';
  SELECT pod.*
  FROM #pages
  CROSS APPLY OPENJSON(page, '$.rows')
  WITH (
    namespace nvarchar(63) '$.namespace',
    name nvarchar(253) '$.name',
    ready nvarchar(20) '$.ready',
    status nvarchar(100) '$.status',
    restarts nvarchar(60) '$.restarts',
    ip nvarchar(45) '$.ip',
    node nvarchar(253) '$.node',
    created datetimeoffset(0) '$.creationTimestamp'
  ) AS pod
  ORDER BY pod.namespace, pod.name;
END;
GO

CREATE OR ALTER PROCEDURE k8s.deployments
  @namespace nvarchar(4000) = NULL,
  @label_selector nvarchar(2000) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace;
  DECLARE @path nvarchar(max) = N'/apis/apps/v1/' + ISNULL(N'namespaces/' + @namespace + N'/', N'')
    + N'deployments?limit=500'
    + k8s.query_pair(N'labelSelector', @label_selector);
  CREATE TABLE #pages (page nvarchar(max));
  EXECUTE k8s.list_pages @path = @path;
  SELECT
    deployment.namespace,
    deployment.name,
    deployment.replicas,
    ISNULL(deployment.ready, 0) AS ready,
    ISNULL(deployment.updated, 0) AS updated,
    ISNULL(deployment.available, 0) AS available,
    images.images,
    deployment.created
  FROM #pages
  CROSS APPLY OPENJSON(page, '$.items')
  WITH (
    namespace nvarchar(63) '$.metadata.namespace',
    name nvarchar(253) '$.metadata.name',
    replicas int '$.spec.replicas',
    ready int '$.status.readyReplicas',
    updated int '$.status.updatedReplicas',
    available int '$.status.availableReplicas',
    containers nvarchar(max) '$.spec.template.spec.containers' AS JSON,
    created datetimeoffset(0) '$.metadata.creationTimestamp'
  ) AS deployment
  OUTER APPLY (
    SELECT STRING_AGG(container.image, N', ') AS images
    FROM OPENJSON(deployment.containers)
    WITH (image nvarchar(max) '$.image') AS container
  ) AS images
  ORDER BY deployment.namespace, deployment.name;
END;
GO

-- `status` is Pending, Running, Suspended, Complete or Failed; `reason` says why it failed.
CREATE OR ALTER PROCEDURE k8s.jobs
  @namespace nvarchar(4000) = NULL,
  @label_selector nvarchar(2000) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace;
  DECLARE @path nvarchar(max) = N'/apis/batch/v1/' + ISNULL(N'namespaces/' + @namespace + N'/', N'')
    + N'jobs?limit=500'
    + k8s.query_pair(N'labelSelector', @label_selector);
  CREATE TABLE #pages (page nvarchar(max));
  EXECUTE k8s.list_pages @path = @path;
  SELECT
    job.namespace,
    job.name,
    COALESCE(condition.type, IIF(job.active > 0, N'Running', N'Pending')) AS status,
    condition.reason,
    job.completions,
    ISNULL(job.active, 0) AS active,
    ISNULL(job.succeeded, 0) AS succeeded,
    ISNULL(job.failed, 0) AS failed,
    job.started,
    job.completed,
    job.created
  FROM #pages
  CROSS APPLY OPENJSON(page, '$.items')
  WITH (
    namespace nvarchar(63) '$.metadata.namespace',
    name nvarchar(253) '$.metadata.name',
    completions int '$.spec.completions',
    active int '$.status.active',
    succeeded int '$.status.succeeded',
    failed int '$.status.failed',
    started datetimeoffset(0) '$.status.startTime',
    completed datetimeoffset(0) '$.status.completionTime',
    conditions nvarchar(max) '$.status.conditions' AS JSON,
    created datetimeoffset(0) '$.metadata.creationTimestamp'
  ) AS job
  OUTER APPLY (
    SELECT TOP (1) listed.type, listed.reason
    FROM OPENJSON(job.conditions)
    WITH (
      type nvarchar(40) '$.type',
      status nvarchar(10) '$.status',
      reason nvarchar(200) '$.reason'
    ) AS listed
    WHERE listed.status = N'True' AND listed.type IN (N'Complete', N'Failed', N'Suspended')
  ) AS condition
  ORDER BY job.namespace, job.name;
END;
GO

CREATE OR ALTER PROCEDURE k8s.cronjobs
  @namespace nvarchar(4000) = NULL,
  @label_selector nvarchar(2000) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace;
  DECLARE @path nvarchar(max) = N'/apis/batch/v1/' + ISNULL(N'namespaces/' + @namespace + N'/', N'')
    + N'cronjobs?limit=500'
    + k8s.query_pair(N'labelSelector', @label_selector);
  CREATE TABLE #pages (page nvarchar(max));
  EXECUTE k8s.list_pages @path = @path;
  SELECT
    cronjob.namespace,
    cronjob.name,
    cronjob.schedule,
    cronjob.time_zone,
    cronjob.suspended,
    (SELECT COUNT(*) FROM OPENJSON(cronjob.active)) AS active,
    cronjob.last_scheduled,
    cronjob.last_succeeded,
    cronjob.created
  FROM #pages
  CROSS APPLY OPENJSON(page, '$.items')
  WITH (
    namespace nvarchar(63) '$.metadata.namespace',
    name nvarchar(253) '$.metadata.name',
    schedule nvarchar(200) '$.spec.schedule',
    time_zone nvarchar(100) '$.spec.timeZone',
    suspended bit '$.spec.suspend',
    active nvarchar(max) '$.status.active' AS JSON,
    last_scheduled datetimeoffset(0) '$.status.lastScheduleTime',
    last_succeeded datetimeoffset(0) '$.status.lastSuccessfulTime',
    created datetimeoffset(0) '$.metadata.creationTimestamp'
  ) AS cronjob
  ORDER BY cronjob.namespace, cronjob.name;
END;
GO

-- The newest first. `@name` is that of the object that they are about.
CREATE OR ALTER PROCEDURE k8s.events
  @namespace nvarchar(4000) = NULL,
  @name nvarchar(4000) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace, @name = @name;
  DECLARE @path nvarchar(max) = N'/api/v1/' + ISNULL(N'namespaces/' + @namespace + N'/', N'')
    + N'events?limit=500'
    + k8s.query_pair(N'fieldSelector', N'involvedObject.name=' + @name);
  CREATE TABLE #pages (page nvarchar(max));
  EXECUTE k8s.list_pages @path = @path;
  SELECT
    event.namespace,
    COALESCE(event.series_seen, event.last_timestamp, event.event_time, event.created) AS last_seen,
    event.type,
    event.reason,
    event.kind,
    event.name,
    event.message,
    COALESCE(event.series_count, event.count, 1) AS count
  FROM #pages
  CROSS APPLY OPENJSON(page, '$.items')
  WITH (
    namespace nvarchar(63) '$.metadata.namespace',
    created datetimeoffset(0) '$.metadata.creationTimestamp',
    last_timestamp datetimeoffset(0) '$.lastTimestamp',
    event_time datetimeoffset(6) '$.eventTime',
    series_seen datetimeoffset(6) '$.series.lastObservedTime',
    series_count int '$.series.count',
    count int '$.count',
    type nvarchar(20) '$.type',
    reason nvarchar(128) '$.reason',
    kind nvarchar(63) '$.involvedObject.kind',
    name nvarchar(253) '$.involvedObject.name',
    message nvarchar(max) '$.message'
  ) AS event
  ORDER BY last_seen DESC;
END;
GO

CREATE OR ALTER PROCEDURE k8s.nodes
  @label_selector nvarchar(2000) = NULL
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @path nvarchar(max) = N'/api/v1/nodes?limit=500'
    + k8s.query_pair(N'labelSelector', @label_selector);
  CREATE TABLE #pages (page nvarchar(max));
  EXECUTE k8s.list_pages @path = @path;
  SELECT
    node.name,
    ready.status AS ready,
    ISNULL(node.cordoned, 0) AS cordoned,
    address.address AS internal_ip,
    node.version,
    node.os_image,
    node.cpu,
    node.memory,
    node.created
  FROM #pages
  CROSS APPLY OPENJSON(page, '$.items')
  WITH (
    name nvarchar(253) '$.metadata.name',
    cordoned bit '$.spec.unschedulable',
    conditions nvarchar(max) '$.status.conditions' AS JSON,
    addresses nvarchar(max) '$.status.addresses' AS JSON,
    version nvarchar(60) '$.status.nodeInfo.kubeletVersion',
    os_image nvarchar(200) '$.status.nodeInfo.osImage',
    cpu nvarchar(40) '$.status.allocatable.cpu',
    memory nvarchar(40) '$.status.allocatable.memory',
    created datetimeoffset(0) '$.metadata.creationTimestamp'
  ) AS node
  OUTER APPLY (
    SELECT TOP (1) listed.status
    FROM OPENJSON(node.conditions)
    WITH (type nvarchar(100) '$.type', status nvarchar(10) '$.status') AS listed
    WHERE listed.type = N'Ready'
  ) AS ready
  OUTER APPLY (
    SELECT TOP (1) listed.address
    FROM OPENJSON(node.addresses)
    WITH (type nvarchar(40) '$.type', address nvarchar(253) '$.address') AS listed
    WHERE listed.type = N'InternalIP'
  ) AS address
  ORDER BY node.name;
END;
GO

-- The end of a pod's log, a row a line: the last 1000 lines unless told otherwise.
CREATE OR ALTER PROCEDURE k8s.logs
  @namespace nvarchar(4000),
  @pod nvarchar(4000),
  @container nvarchar(4000) = NULL,
  @tail int = NULL,
  @since_seconds int = NULL,
  @previous bit = 0,
  @timestamps bit = 0
AS
BEGIN
  SET NOCOUNT ON;
  EXECUTE k8s.require_names @namespace = @namespace, @name = @pod;
  DECLARE @previous_text nvarchar(5) = IIF(@previous = 1, N'true', N'false');
  DECLARE @timestamps_text nvarchar(5) = IIF(@timestamps = 1, N'true', N'false');
  DECLARE @path nvarchar(max) = N'/api/v1/namespaces/' + @namespace + N'/pods/' + @pod
    + N'/log?previous=' + @previous_text
    + k8s.query_pair(N'timestamps', @timestamps_text)
    + k8s.query_pair(N'container', @container)
    + k8s.query_pair(N'tailLines', @tail)
    + k8s.query_pair(N'sinceSeconds', @since_seconds);
  DECLARE @result nvarchar(max);
  EXECUTE k8s.[call] @method = N'GET', @path = @path, @result = @result OUTPUT;
  SELECT CONVERT(int, entry.[key]) + 1 AS line, entry.value AS text
  FROM OPENJSON(@result, '$.lines') AS entry
  ORDER BY line;
END;
GO

CREATE OR ALTER PROCEDURE k8s.version
AS
BEGIN
  SET NOCOUNT ON;
  DECLARE @result nvarchar(max);
  EXECUTE k8s.[call] @method = N'GET', @path = N'/version', @result = @result OUTPUT;
  SELECT cluster.version, cluster.major, cluster.minor, cluster.platform
  FROM OPENJSON(@result)
  WITH (
    version nvarchar(60) '$.gitVersion',
    major nvarchar(10) '$.major',
    minor nvarchar(10) '$.minor',
    platform nvarchar(60) '$.platform'
  ) AS cluster;
END;
GO
