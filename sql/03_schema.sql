-- The schema, its owner, its roles and its tables.
--
--   KEYHOLE_URL  as in 02_credential.sql
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO
SET NOCOUNT ON;

-- Nobody can log in as the owner; `k8s.call` runs as it, and it alone may call out.
IF DATABASE_PRINCIPAL_ID(N'k8s_owner') IS NULL
  CREATE USER k8s_owner WITHOUT LOGIN;
IF SCHEMA_ID(N'k8s') IS NULL
  EXECUTE (N'CREATE SCHEMA k8s AUTHORIZATION k8s_owner;');
IF DATABASE_PRINCIPAL_ID(N'k8s_reader') IS NULL
  CREATE ROLE k8s_reader;
IF DATABASE_PRINCIPAL_ID(N'k8s_operator') IS NULL
  CREATE ROLE k8s_operator;
GO

-- One row: the gateway, and by its name the credential.
IF OBJECT_ID(N'k8s.config', N'U') IS NULL
  CREATE TABLE k8s.config (
    id bit NOT NULL CONSTRAINT config_default DEFAULT 1
      CONSTRAINT config_key PRIMARY KEY
      CONSTRAINT config_one_row CHECK (id = 1),
    url nvarchar(128) NOT NULL
      CONSTRAINT config_url CHECK (url LIKE N'https://_%' AND url NOT LIKE N'%/')
  );
GO
UPDATE k8s.config SET url = N'$(KEYHOLE_URL)';
IF @@ROWCOUNT = 0
  INSERT INTO k8s.config (url) VALUES (N'$(KEYHOLE_URL)');
GO

-- Where the objects of a kind are. Add your own kinds here.
IF OBJECT_ID(N'k8s.kinds', N'U') IS NULL
  CREATE TABLE k8s.kinds (
    api_version nvarchar(253) COLLATE Latin1_General_BIN2 NOT NULL,
    kind nvarchar(63) COLLATE Latin1_General_BIN2 NOT NULL,
    plural nvarchar(63) NOT NULL,
    namespaced bit NOT NULL CONSTRAINT kinds_namespaced DEFAULT 1,
    CONSTRAINT kinds_key PRIMARY KEY (api_version, kind)
  );
GO
INSERT INTO k8s.kinds (api_version, kind, plural, namespaced)
SELECT known.api_version, known.kind, known.plural, known.namespaced
FROM (
  VALUES
    (N'v1', N'ConfigMap', N'configmaps', 1),
    (N'v1', N'Namespace', N'namespaces', 0),
    (N'v1', N'PersistentVolumeClaim', N'persistentvolumeclaims', 1),
    (N'v1', N'Pod', N'pods', 1),
    (N'v1', N'Service', N'services', 1),
    (N'apps/v1', N'DaemonSet', N'daemonsets', 1),
    (N'apps/v1', N'Deployment', N'deployments', 1),
    (N'apps/v1', N'StatefulSet', N'statefulsets', 1),
    (N'autoscaling/v2', N'HorizontalPodAutoscaler', N'horizontalpodautoscalers', 1),
    (N'batch/v1', N'CronJob', N'cronjobs', 1),
    (N'batch/v1', N'Job', N'jobs', 1),
    (N'networking.k8s.io/v1', N'Ingress', N'ingresses', 1),
    (N'networking.k8s.io/v1', N'NetworkPolicy', N'networkpolicies', 1)
) AS known (api_version, kind, plural, namespaced)
WHERE NOT EXISTS (
  SELECT 1 FROM k8s.kinds AS present
  WHERE present.api_version = known.api_version COLLATE Latin1_General_BIN2
    AND present.kind = known.kind COLLATE Latin1_General_BIN2
);
GO

-- What the HRESULT in Msg 31608 means, and on which step of `k8s.check` it bears.
IF OBJECT_ID(N'k8s.hresult', N'U') IS NULL
  CREATE TABLE k8s.hresult (
    code nvarchar(10) NOT NULL CONSTRAINT hresult_key PRIMARY KEY,
    step nvarchar(10) NOT NULL,
    meaning nvarchar(200) NOT NULL,
    advice nvarchar(400) NOT NULL
  );
GO
DELETE FROM k8s.hresult;
INSERT INTO k8s.hresult (code, step, meaning, advice)
VALUES
  (N'0x80072ee7', N'dns', N'the host name was not found',
    N'check DNS or the hosts file of the machine or container that SQL Server runs in; a failed look-up may be remembered for minutes'),
  (N'0x80072efd', N'connect', N'nothing accepts connections there',
    N'check the port, the firewall, and whether the gateway runs'),
  (N'0x80072efe', N'gateway', N'the connection was cut',
    N'look for a proxy or a time limit between SQL Server and the gateway'),
  (N'0x80072ee2', N'gateway', N'no answer in time',
    N'check the firewall and the load of the gateway'),
  (N'0x80072f78', N'trust', N'the answer is not HTTP over TLS',
    N'check that the port serves https'),
  (N'0x80072f7d', N'trust', N'the TLS handshake failed',
    N'the gateway must offer TLS 1.2 or 1.3'),
  (N'0x80072f8f', N'trust', N'the certificate was not accepted',
    N'check issuer, names and dates of the certificate'),
  (N'0x80072f0c', N'trust', N'the server asks for a client certificate',
    N'SQL Server has none to send: turn that off for this listener'),
  (N'0x80070008', N'trust', N'the issuer of the certificate is not trusted',
    N'Linux: put the CA, as PEM, into /var/opt/mssql/security/ca-certificates/NAME.crt, owned by mssql, and restart SQL Server; Windows: put it into the machine''s Trusted Root Certification Authorities'),
  (N'0x80070010', N'trust', N'the certificate is for another host name',
    N'the URL''s host must be one of the certificate''s subjectAltNames'),
  (N'0x80070018', N'trust', N'the issuer is not trusted, and the certificate is for another host name',
    N'see 0x80070008 and 0x80070010'),
  (N'0x80070020', N'trust', N'the certificate has expired or is not valid yet',
    N'check the clocks, and renew the certificate'),
  (N'0x80070028', N'trust', N'the issuer is not trusted, and the certificate has expired or is not valid yet',
    N'see 0x80070008 and 0x80070020'),
  (N'0x80070001', N'trust', N'whether the certificate was revoked could not be found out',
    N'check that SQL Server reaches the issuer''s revocation lists'),
  (N'0x80070002', N'trust', N'the certificate is invalid',
    N'issue a new one'),
  (N'0x80070004', N'trust', N'the certificate was revoked',
    N'issue a new one'),
  (N'0x80070040', N'trust', N'the certificate is not one for servers',
    N'it needs the extended key usage serverAuth');
GO
