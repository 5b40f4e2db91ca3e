//! The articles' scenario, by the double of SQL Server.

use keyhole_tests::sp_invoke::{Answer, Call};

use crate::gateway::{Gateway, eventually, gateway};

const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = "/api/v1/namespaces/default/pods/from-sql";
const MANIFEST: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"from-sql"},"spec":{"containers":[{"name":"c","image":"busybox:1.36","command":["sleep","3600"]}]}}"#;
const ACCOUNT: &str = "system:serviceaccount:default:api-reader";

#[test]
#[ignore = "needs scripts/cluster"]
fn the_articles_story_goes_as_told() {
    must_go_as_told(&gateway());
}

pub(crate) fn must_go_as_told(gateway: &Gateway) {
    let (sql_server, base) = (gateway.sql_server(), gateway.base());
    let call = |method, path: &str, payload, credential: bool| -> Answer {
        let url = format!("{base}{path}");
        let credential = credential.then_some(base);
        sql_server.invoke(&Call { method, payload, credential, ..Call::to(&url) }).unwrap()
    };
    // The status, and the user that the apiserver saw if the request reached it.
    let outcome = |answer: &Answer| {
        let id = answer.value("$.response.headers.\"x-request-id\"").unwrap();
        let event = gateway.audit().find(&id).unwrap();
        (answer.value("$.response.status.http.code").unwrap(), event.map(|event| event.user()))
    };
    let arrived = |status: &str| (status.to_owned(), Some(ACCOUNT.to_owned()));
    let refused = |status: &str| (status.to_owned(), None);

    assert_eq!(outcome(&call("GET", PODS, None, false)), refused("401"));
    assert_eq!(outcome(&call("GET", PODS, None, true)), arrived("200"));
    assert_eq!(outcome(&call("POST", PODS, Some(MANIFEST), true)), arrived("201"));
    eventually("the pod runs", || {
        call("GET", POD, None, true).value("$.result.status.phase").as_deref()
            == Some("Running")
    });
    assert_eq!(outcome(&call("DELETE", POD, None, true)), refused("403"));

    let wider = gateway
        .policy
        .replace("[get, list, create]}\n  - {non", "[get, list, create, delete]}\n  - {non");
    assert_ne!(wider, gateway.policy);
    gateway.apply(&wider);
    // Of a pod that is not there, so that asking changes nothing.
    let absent = format!("{PODS}/absent");
    let took =
        eventually("the new policy is in force", || gateway.answers("DELETE", &absent, 404));
    println!("a wider policy was in force in all pods {took:.1?} after kubectl apply");
    assert_eq!(outcome(&call("DELETE", POD, None, true)), arrived("200"));

    gateway.apply(&gateway.policy);
    let took =
        eventually("the old policy is in force", || gateway.answers("DELETE", &absent, 403));
    println!("the narrower policy was in force in all pods {took:.1?} after kubectl apply");
}
