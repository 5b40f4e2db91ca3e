-- Who may do what. Users get procedures; the two rights that reach the network stay
-- with k8s_owner, as whom nobody can log in.
--
--   KEYHOLE_URL  as in 02_credential.sql
--
-- Then: ALTER ROLE k8s_reader ADD MEMBER [somebody];
SET ANSI_NULLS, QUOTED_IDENTIFIER ON;
GO
SET NOCOUNT ON;
GRANT EXECUTE ANY EXTERNAL ENDPOINT TO k8s_owner;
-- In a string, for the parser of the tests does not know this kind of securable.
EXECUTE (N'GRANT REFERENCES ON DATABASE SCOPED CREDENTIAL::[$(KEYHOLE_URL)] TO k8s_owner;');
GO
GRANT EXECUTE ON OBJECT::k8s.[get] TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.pods TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.deployments TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.jobs TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.cronjobs TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.events TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.nodes TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.logs TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.version TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.wait TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.[check] TO k8s_reader;
GRANT EXECUTE ON OBJECT::k8s.url_encode TO k8s_reader;
GRANT SELECT ON OBJECT::k8s.hresult TO k8s_reader;
GRANT SELECT ON OBJECT::k8s.kinds TO k8s_reader;

ALTER ROLE k8s_reader ADD MEMBER k8s_operator;
GRANT EXECUTE ON OBJECT::k8s.apply TO k8s_operator;
GRANT EXECUTE ON OBJECT::k8s.[create] TO k8s_operator;
GRANT EXECUTE ON OBJECT::k8s.[delete] TO k8s_operator;
GRANT EXECUTE ON OBJECT::k8s.scale TO k8s_operator;
GRANT EXECUTE ON OBJECT::k8s.restart TO k8s_operator;
GRANT EXECUTE ON OBJECT::k8s.run_job TO k8s_operator;
GO
