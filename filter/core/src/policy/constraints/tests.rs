use super::*;
use crate::config;
use crate::request::Request;
use crate::request::attributes::{Attributes, ResourceAttributes};
use crate::request::media::{APPLY, JSON, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, YAML};
use alloc::format;
use alloc::string::ToString;

use proptest::prelude::*;

const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = "/api/v1/namespaces/default/pods/sql-0";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/sql-0";
const CRONJOBS: &str = "/apis/batch/v1/namespaces/default/cronjobs";

/// What a client with these constraints gets: "" if it may write this.
fn judged(constraints: &str, path: &str, content_type: &str, body: &str) -> String {
    let request = Request::parse(b"GET", path.as_bytes()).unwrap();
    let Attributes::Resource(attributes) = &request.attributes else { panic!("{path}") };
    let ResourceAttributes { group, resource, subresource, .. } = attributes;
    let resource = [*resource, *subresource].join("/");
    let resource = resource.trim_end_matches('/');
    let constraints = config::constraints::read(&format!(
        "{{namespaces: [default], apiGroups: [{group:?}], resources: [{resource}], \
         verbs: [create, update, patch], constraints: {{{constraints}}}}}"
    ));
    judged_by(&constraints, attributes, content_type, body)
}

fn judged_by(
    constraints: &Constraints,
    attributes: &ResourceAttributes<'_>,
    content_type: &str,
    body: &str,
) -> String {
    let form = Form::of(content_type).unwrap();
    let content = Content::read(content_type, body.as_bytes()).unwrap();
    match constraints.judge(&Target::of(attributes), form, &content) {
        Ok(()) => String::new(),
        Err(violation) => violation.to_string(),
    }
}

#[test]
#[rustfmt::skip]
fn every_image_of_a_pod_is_one_of_those_listed() {
    const IMAGES: &str = "images: [team/, busybox:1.36, 'ours:', 'pinned@']";
    const LISTED: &str = "this client may use `team/`, `busybox:1.36`, `ours:`, `pinned@`";
    for (path, content_type, body, expected) in [
        // literally, or by a prefix
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"team/a"}]}}"#,             ""),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"team\/a"}]}}"#,            ""),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"busybox:1.36"}]}}"#,       ""),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"ours:7"}]}}"#,             ""),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"ours:7@sha256:ab"}]}}"#,   ""),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"ours:5000/evil"}]}}"#,     "spec.containers[0].image is `ours:5000/evil`: "),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"pinned@sha256:ab"}]}}"#,   ""),
        (PODS, JSON, r#"{"spec":{}}"#,                                              ""),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"busybox:1.36.1"}]}}"#,     "spec.containers[0].image is `busybox:1.36.1`: "),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"busybox"}]}}"#,            "spec.containers[0].image is `busybox`: "),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"docker.io/library/busybox:1.36"}]}}"#, "spec.containers[0].image is `docker.io/library/busybox:1.36`: "),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"TEAM/a"}]}}"#,             "spec.containers[0].image is `TEAM/a`: "),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":" team/a"}]}}"#,            "spec.containers[0].image is ` team/a`: "),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"team/a"},{"image":"evil/x"}]}}"#, "spec.containers[1].image is `evil/x`: "),
        // every place that has one
        (PODS, JSON, r#"{"spec":{"initContainers":[{"image":"evil/x"}]}}"#,         "spec.initContainers[0].image is `evil/x`: "),
        (PODS, JSON, r#"{"spec":{"ephemeralContainers":[{"image":"evil/x"}]}}"#,    "spec.ephemeralContainers[0].image is `evil/x`: "),
        (PODS, JSON, r#"{"spec":{"volumes":[{"image":{"reference":"evil/x"}}]}}"#,  "spec.volumes[0].image.reference is `evil/x`: "),
        (PODS, JSON, r#"{"spec":{"volumes":[{"image":{"reference":"team/x"}},{"emptyDir":{}}]}}"#, ""),
        // every kind of pod
        (JOBS, JSON, r#"{"spec":{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}}"#, "spec.template.spec.containers[0].image is `evil/x`: "),
        (DEPLOYMENTS, JSON, r#"{"spec":{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}}"#, "spec.template.spec.containers[0].image is `evil/x`: "),
        (CRONJOBS, JSON, r#"{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}}}}"#, "spec.jobTemplate.spec.template.spec.containers[0].image is `evil/x`: "),
        ("/apis/apps/v1/namespaces/default/statefulsets", JSON, r#"{"spec":{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}}"#, "spec.template.spec.containers[0].image is `evil/x`: "),
        ("/apis/apps/v1/namespaces/default/daemonsets", JSON, r#"{"spec":{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}}"#, "spec.template.spec.containers[0].image is `evil/x`: "),
        ("/apis/apps/v1/namespaces/default/replicasets", JSON, r#"{"spec":{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}}"#, "spec.template.spec.containers[0].image is `evil/x`: "),
        ("/api/v1/namespaces/default/replicationcontrollers", JSON, r#"{"spec":{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}}"#, "spec.template.spec.containers[0].image is `evil/x`: "),
        ("/api/v1/namespaces/default/podtemplates", JSON, r#"{"template":{"spec":{"containers":[{"image":"evil/x"}]}}}"#, "template.spec.containers[0].image is `evil/x`: "),
        ("/api/v1/namespaces/default/pods/sql-0/ephemeralcontainers", STRATEGIC_PATCH, r#"{"spec":{"ephemeralContainers":[{"name":"d","image":"evil/x"}]}}"#, "spec.ephemeralContainers[0].image is `evil/x`: "),
        // in an update or a patch
        (POD, JSON,            r#"{"spec":{"containers":[{"image":"evil/x"}]}}"#,           "spec.containers[0].image is `evil/x`: "),
        (POD, MERGE_PATCH,     r#"{"spec":{"containers":[{"image":"evil/x"}]}}"#,           "spec.containers[0].image is `evil/x`: "),
        (POD, STRATEGIC_PATCH, r#"{"spec":{"containers":[{"name":"a","image":"evil/x"}]}}"#, "spec.containers[0].image is `evil/x`: "),
        (POD, APPLY,           "spec: {containers: [{name: a, image: evil/x}]}",            "spec.containers[0].image is `evil/x`: "),
        // a container without one keeps what it has, where lists are merged
        (PODS, JSON,           r#"{"spec":{"containers":[{"name":"a"}]}}"#,                 "spec.containers[0].image is missing: "),
        (POD, MERGE_PATCH,     r#"{"spec":{"containers":[{"name":"a"}]}}"#,                 "spec.containers[0].image is missing: "),
        (POD, STRATEGIC_PATCH, r#"{"spec":{"containers":[{"name":"a"}]}}"#,                 ""),
        (POD, APPLY,           r#"{"spec":{"containers":[{"name":"a"}]}}"#,                 ""),
        (POD, STRATEGIC_PATCH, r#"{"spec":{"containers":[{"name":"a","image":null}]}}"#,    "spec.containers[0].image is missing: "),
        (POD, MERGE_PATCH,     r#"{"spec":{"containers":null}}"#,                           ""),
        (POD, MERGE_PATCH,     r#"{"metadata":{"labels":{"a":"b"}}}"#,                      ""),
        // what is not text
        (PODS, JSON, r#"{"spec":{"containers":[{"image":5}]}}"#,                    "spec.containers[0].image is 5: "),
        (PODS, JSON, r#"{"spec":{"containers":[{"image":["team/a"]}]}}"#,           "spec.containers[0].image is a list: "),
        (PODS, JSON, r#"{"spec":{"volumes":[{"image":{}}]}}"#,                      "spec.volumes[0].image.reference is missing: "),
        // the apiserver knows no other case, and reads escapes as what they stand for
        (PODS, JSON, r#"{"spec":{"containers":[{"image":"team/a","Image":"evil/x"}]}}"#, ""),
        (PODS, JSON, r#"{"spec":{"containers":[{"im\u0061ge":"evil/x"}]}}"#,        "spec.containers[0].image is `evil/x`: "),
        (PODS, YAML, "spec: {containers: [{\"im\\x61ge\": evil/x}]}",               "spec.containers[0].image is `evil/x`: "),
        (PODS, YAML, "spec:\n  containers:\n  - image: team/a\n  - image: >-\n      evil/x\n", "spec.containers[1].image is `evil/x`: "),
    ] {
        let expected = if expected.is_empty() { String::new() } else { format!("{expected}{LISTED}") };
        assert_eq!(judged(IMAGES, path, content_type, body), expected, "{path} {content_type} {body}");
    }
}

#[test]
#[rustfmt::skip]
fn what_is_forbidden_may_be_left_out_or_switched_off() {
    for (forbidden, pod, found) in [
        ("hostNetwork", r#"{}"#,                              ""),
        ("hostNetwork", r#"{"hostNetwork":false}"#,           ""),
        ("hostNetwork", r#"{"hostNetwork":null}"#,            ""),
        ("hostNetwork", r#"{"hostPID":true}"#,                ""),
        ("hostNetwork", r#"{"hostNetwork":true}"#,            "spec.hostNetwork is true"),
        ("hostNetwork", r#"{"hostNetwork":"false"}"#,         "spec.hostNetwork is `false`"),
        ("hostNetwork", r#"{"hostNetwork":0}"#,               "spec.hostNetwork is 0"),
        ("hostNetwork", r#"{"hostNetwork":{}}"#,              "spec.hostNetwork is a mapping"),
        ("hostPID",     r#"{"hostPID":true}"#,                "spec.hostPID is true"),
        ("hostIPC",     r#"{"hostIPC":true}"#,                "spec.hostIPC is true"),
        ("privileged",  r#"{"containers":[{"securityContext":{"privileged":false}},{"securityContext":null},{}]}"#, ""),
        ("privileged",  r#"{"containers":[{},{"securityContext":{"privileged":true}}]}"#,     "spec.containers[1].securityContext.privileged is true"),
        ("privileged",  r#"{"initContainers":[{"securityContext":{"privileged":true}}]}"#,    "spec.initContainers[0].securityContext.privileged is true"),
        ("privileged",  r#"{"ephemeralContainers":[{"securityContext":{"privileged":1}}]}"#,  "spec.ephemeralContainers[0].securityContext.privileged is 1"),
        ("hostPath",    r#"{"volumes":[{"emptyDir":{}},{"hostPath":null}]}"#,                 ""),
        ("hostPath",    r#"{"volumes":[{"emptyDir":{}},{"hostPath":{"path":"/"}}]}"#,         "spec.volumes[1].hostPath is a mapping"),
        ("hostPath",    r#"{"volumes":[{"hostPath":{}}]}"#,                                   "spec.volumes[0].hostPath is a mapping"),
        ("hostPath",    r#"{"volumes":[{"hostPath":false}]}"#,                                "spec.volumes[0].hostPath is false"),
        ("hostPorts",   r#"{"containers":[{"ports":[{"containerPort":80},{"hostPort":0},{"hostPort":null}]},{"ports":null}]}"#, ""),
        ("hostPorts",   r#"{"containers":[{"ports":[{"hostPort":80}]}]}"#,                    "spec.containers[0].ports[0].hostPort is 80"),
        ("hostPorts",   r#"{"containers":[{"ports":[{"hostPort":0.0}]}]}"#,                   "spec.containers[0].ports[0].hostPort is 0.0"),
        ("addedCapabilities", r#"{"containers":[{"securityContext":{"capabilities":{"drop":["ALL"],"add":[]}}}]}"#,   ""),
        ("addedCapabilities", r#"{"containers":[{"securityContext":{"capabilities":{"add":null}}}]}"#,                ""),
        ("addedCapabilities", r#"{"containers":[{"securityContext":{"capabilities":{"add":["SYS_ADMIN"]}}}]}"#,       "spec.containers[0].securityContext.capabilities.add is a list"),
        ("addedCapabilities", r#"{"containers":[{"securityContext":{"capabilities":{"add":"SYS_ADMIN"}}}]}"#,         "spec.containers[0].securityContext.capabilities.add is `SYS_ADMIN`"),
    ] {
        let expected = match found {
            "" => String::new(),
            found => format!("{found}, which this client may not ask for: leave it out"),
        };
        for (path, content_type) in [(PODS, JSON), (POD, APPLY), (POD, MERGE_PATCH), (POD, STRATEGIC_PATCH)] {
            let body = format!(r#"{{"spec":{pod}}}"#);
            let constraints = format!("forbid: [{forbidden}]");
            assert_eq!(judged(&constraints, path, content_type, &body), expected, "{content_type} {pod}");
        }
    }
}

#[test]
#[rustfmt::skip]
fn only_what_every_yaml_reader_takes_for_false_is_false() {
    for (word, allowed) in [
        ("false", true), ("null", true), ("~", true), ("", true),
        ("true", false), ("yes", false), ("on", false), ("y", false), ("True", false),
        ("False", false), ("FALSE", false), ("no", false), ("off", false), ("n", false),
        ("Null", false), ("0", false), ("'false'", false), ("\"\"", false), ("0x0", false),
    ] {
        let body = format!("spec:\n  hostNetwork: {word}\n");
        let judged = judged("forbid: [hostNetwork]", PODS, YAML, &body);
        assert_eq!(judged.is_empty(), allowed, "{word}: {judged}");
    }
}

#[test]
#[rustfmt::skip]
fn a_pod_runs_as_one_of_the_accounts_listed() {
    const WORKER: &str = "serviceAccounts: [worker]";
    const BOTH: &str = "serviceAccounts: [worker, default]";
    for (constraints, path, content_type, body, found) in [
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccountName":"worker"}}"#,                           ""),
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccount":"worker"}}"#,                               ""),
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccount":"worker","serviceAccountName":"worker"}}"#, ""),
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccountName":"admin"}}"#,                            "spec.serviceAccountName is `admin`"),
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccountName":""}}"#,                                 "spec.serviceAccountName is ``"),
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccountName":"worker","serviceAccount":"admin"}}"#,  "spec.serviceAccount is `admin`"),
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccount":"admin"}}"#,                                "spec.serviceAccount is `admin`"),
        (WORKER, PODS, JSON, r#"{"spec":{}}"#,                            "spec.serviceAccountName is missing, which stands for `default`"),
        (WORKER, PODS, JSON, r#"{"spec":{"serviceAccountName":null}}"#,   "spec.serviceAccountName is missing, which stands for `default`"),
        (WORKER, PODS, JSON, r#"{}"#,                                     "spec.serviceAccountName is missing, which stands for `default`"),
        (WORKER, JOBS, JSON, r#"{"spec":{"template":{}}}"#,               "spec.template.spec.serviceAccountName is missing, which stands for `default`"),
        (WORKER, POD,  APPLY, "spec: {containers: []}",                   "spec.serviceAccountName is missing, which stands for `default`"),
        (BOTH,   PODS, JSON, r#"{"spec":{}}"#,                            ""),
        // in a patch, what is not mentioned stays; what is null goes
        (WORKER, DEPLOYMENT, MERGE_PATCH,     r#"{"spec":{"replicas":2}}"#,                                       ""),
        (WORKER, DEPLOYMENT, MERGE_PATCH,     r#"{"spec":{"template":{"spec":{"serviceAccountName":"admin"}}}}"#, "spec.template.spec.serviceAccountName is `admin`"),
        (WORKER, DEPLOYMENT, MERGE_PATCH,     r#"{"spec":{"template":{"spec":{"serviceAccountName":null}}}}"#,    "spec.template.spec.serviceAccountName is missing, which stands for `default`"),
        (WORKER, DEPLOYMENT, STRATEGIC_PATCH, r#"{"spec":{"template":{"spec":{"serviceAccount":null}}}}"#,        "spec.template.spec.serviceAccountName is missing, which stands for `default`"),
        (WORKER, DEPLOYMENT, MERGE_PATCH,     r#"{"spec":{"template":null}}"#,                                    "spec.template.spec.serviceAccountName is missing, which stands for `default`"),
        (WORKER, DEPLOYMENT, STRATEGIC_PATCH, r#"{"spec":null}"#,                                                 "spec.template.spec.serviceAccountName is missing, which stands for `default`"),
        (BOTH,   DEPLOYMENT, MERGE_PATCH,     r#"{"spec":null}"#,                                                 ""),
    ] {
        let listed = if constraints == BOTH { "`worker`, `default`" } else { "`worker`" };
        let expected = match found {
            "" => String::new(),
            found => format!("{found}: this client may use {listed}"),
        };
        assert_eq!(judged(constraints, path, content_type, body), expected, "{content_type} {body}");
    }
}

#[test]
#[rustfmt::skip]
fn a_name_starts_with_the_prefix() {
    for (path, content_type, body, found) in [
        (PODS, JSON, r#"{"metadata":{"name":"sql-1"}}"#,                            ""),
        (PODS, JSON, r#"{"metadata":{"generateName":"sql-"}}"#,                     ""),
        (PODS, JSON, r#"{"metadata":{"name":"sql-1","generateName":"web-"}}"#,      ""),
        (PODS, JSON, r#"{"metadata":{"name":"web-1","generateName":"sql-"}}"#,      "metadata.name is `web-1`"),
        (PODS, JSON, r#"{"metadata":{"name":"sql"}}"#,                              "metadata.name is `sql`"),
        (PODS, JSON, r#"{"metadata":{"name":"","generateName":"sql-"}}"#,           "metadata.name is ``"),
        (PODS, JSON, r#"{"metadata":{"name":null,"generateName":"web-"}}"#,         "metadata.generateName is `web-`"),
        (PODS, JSON, r#"{"metadata":{"name":["sql-1"]}}"#,                          "metadata.name is a list"),
        (PODS, JSON, r#"{"metadata":{}}"#,                                          "metadata.name is missing"),
        (PODS, JSON, r#"{}"#,                                                       "metadata.name is missing"),
        (PODS, YAML, "metadata: {name: sql-1}",                                     ""),
        // where the path has a name, it counts
        (POD,                                      JSON,            r#"{}"#,                                   ""),
        (POD,                                      MERGE_PATCH,     r#"{"metadata":{"generateName":"web-"}}"#, ""),
        (POD,                                      MERGE_PATCH,     r#"{"metadata":{"name":"web-0"}}"#,        "metadata.name is `web-0`"),
        (POD,                                      STRATEGIC_PATCH, r#"{"metadata":null}"#,                    ""),
        ("/api/v1/namespaces/default/pods/web-0",  MERGE_PATCH,     r#"{"metadata":{"name":"sql-0"}}"#,        "the name in the path is `web-0`"),
        ("/api/v1/namespaces/default/pods/web-0",  APPLY,           r#"{"metadata":{"name":"sql-0"}}"#,        "the name in the path is `web-0`"),
        ("/api/v1/namespaces/default/configmaps/web-0", JSON,       r#"{"metadata":{"name":"web-0"}}"#,        "metadata.name is `web-0`"),
        ("/apis/apps/v1/namespaces/default/deployments/web-0/scale", MERGE_PATCH, r#"{"spec":{"replicas":1}}"#, "the name in the path is `web-0`"),
    ] {
        let expected = match found {
            "" => String::new(),
            found => format!("{found}: names of this client's objects start with `sql-`"),
        };
        assert_eq!(judged("namePrefix: sql-", path, content_type, body), expected, "{path} {body}");
    }
}

#[test]
#[rustfmt::skip]
fn an_object_has_the_labels() {
    const TEAM: &str = "this client's objects have `team=db`";
    const APP: &str = "this client's objects have `example.com/app`";
    for (path, content_type, body, found, label) in [
        (PODS, JSON, r#"{"metadata":{"labels":{"team":"db","example.com/app":""}}}"#,       "", ""),
        (PODS, JSON, r#"{"metadata":{"labels":{"team":"web","example.com/app":"a"}}}"#,     "the label `team` is `web`", TEAM),
        (PODS, JSON, r#"{"metadata":{"labels":{"team":"db"}}}"#,                            "the label `example.com/app` is missing", APP),
        (PODS, JSON, r#"{"metadata":{"labels":{"team":"db","example.com/app":null}}}"#,     "the label `example.com/app` is missing", APP),
        (PODS, JSON, r#"{"metadata":{"labels":{"team":"db","example.com/app":1}}}"#,        "the label `example.com/app` is 1", APP),
        (PODS, JSON, r#"{"metadata":{"labels":{"Team":"db"}}}"#,                            "the label `team` is missing", TEAM),
        (PODS, JSON, r#"{"metadata":{}}"#,                                                  "the label `team` is missing", TEAM),
        (JOBS, JSON, r#"{"spec":{"template":{"metadata":{"labels":{"team":"db"}}}}}"#,      "the label `team` is missing", TEAM),
        (POD,  APPLY, "metadata: {labels: {example.com/app: a}}",                           "the label `team` is missing", TEAM),
        ("/api/v1/namespaces/default/configmaps", JSON, r#"{"metadata":{"labels":{"team":"db","example.com/app":"a"}}}"#, "", ""),
        // in a patch
        (POD, MERGE_PATCH,     r#"{"spec":{}}"#,                                "", ""),
        (POD, MERGE_PATCH,     r#"{"metadata":{"labels":{"tier":"x"}}}"#,       "", ""),
        (POD, MERGE_PATCH,     r#"{"metadata":{"labels":{"team":"web"}}}"#,     "the label `team` is `web`", TEAM),
        (POD, MERGE_PATCH,     r#"{"metadata":{"labels":{"team":null}}}"#,      "the label `team` is missing", TEAM),
        (POD, STRATEGIC_PATCH, r#"{"metadata":{"labels":null}}"#,               "the label `team` is missing", TEAM),
        (POD, MERGE_PATCH,     r#"{"metadata":null}"#,                          "the label `team` is missing", TEAM),
    ] {
        let expected = match found {
            "" => String::new(),
            found => format!("{found}: {label}"),
        };
        let constraints = "labels: [team=db, example.com/app]";
        assert_eq!(judged(constraints, path, content_type, body), expected, "{path} {body}");
    }
}

#[test]
#[rustfmt::skip]
fn there_are_at_most_so_many_copies() {
    const SCALE: &str = "/apis/apps/v1/namespaces/default/deployments/sql-0/scale";
    for (path, content_type, body, found) in [
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":5}}"#,        ""),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":0}}"#,        ""),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":null}}"#,     ""),
        (DEPLOYMENTS, JSON, r#"{"spec":{}}"#,                    ""),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":6}}"#,        "spec.replicas is 6"),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":-1}}"#,       "spec.replicas is -1"),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":1e1}}"#,      "spec.replicas is 10.0"),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":5.0}}"#,      "spec.replicas is 5.0"),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":"5"}}"#,      "spec.replicas is `5`"),
        (DEPLOYMENTS, JSON, r#"{"spec":{"replicas":18446744073709551616}}"#, "spec.replicas is 1.8446744073709552e19"),
        (DEPLOYMENTS, YAML, "spec: {replicas: 5}",               ""),
        (DEPLOYMENTS, YAML, "spec: {replicas: 05}",              "spec.replicas is 05"),
        (DEPLOYMENTS, YAML, "spec: {replicas: 0x5}",             "spec.replicas is 0x5"),
        (DEPLOYMENTS, YAML, "spec: {replicas: 0o5}",             "spec.replicas is 0o5"),
        (DEPLOYMENTS, YAML, "spec: {replicas: 0b1}",             "spec.replicas is 0b1"),
        (DEPLOYMENTS, YAML, "spec: {replicas: 1_0}",             "spec.replicas is 1_0"),
        (DEPLOYMENTS, YAML, "spec: {replicas: 1:0}",             "spec.replicas is 1:0"),
        (DEPLOYMENTS, YAML, "spec: {replicas: +1}",              "spec.replicas is +1"),
        (DEPLOYMENTS, YAML, "spec: {replicas: '5'}",             "spec.replicas is `5`"),
        (DEPLOYMENT,  MERGE_PATCH, r#"{"spec":{"replicas":6}}"#, "spec.replicas is 6"),
        (DEPLOYMENT,  APPLY, "spec: {replicas: 6}",              "spec.replicas is 6"),
        (SCALE,       MERGE_PATCH, r#"{"spec":{"replicas":5}}"#, ""),
        (SCALE,       MERGE_PATCH, r#"{"spec":{"replicas":6}}"#, "spec.replicas is 6"),
        (SCALE,       JSON, r#"{"kind":"Scale","apiVersion":"autoscaling/v1","spec":{"replicas":6}}"#, "spec.replicas is 6"),
        ("/api/v1/namespaces/default/replicationcontrollers/a/scale", MERGE_PATCH, r#"{"spec":{"replicas":6}}"#, "spec.replicas is 6"),
        (JOBS,        JSON, r#"{"spec":{"parallelism":6}}"#,     "spec.parallelism is 6"),
        (JOBS,        JSON, r#"{"spec":{"replicas":6}}"#,        ""),
        (CRONJOBS,    JSON, r#"{"spec":{"jobTemplate":{"spec":{"parallelism":6}}}}"#, "spec.jobTemplate.spec.parallelism is 6"),
    ] {
        let expected = match found {
            "" => String::new(),
            found => format!("{found}: this client may have at most 5"),
        };
        assert_eq!(judged("maxReplicas: 5", path, content_type, body), expected, "{path} {body}");
    }
    let none = "spec.replicas is missing: this client may have at most 0";
    assert_eq!(judged("maxReplicas: 0", DEPLOYMENTS, JSON, "{}"), none);
}

#[test]
#[rustfmt::skip]
fn a_body_is_about_what_its_path_is_about() {
    const SCALE: &str = "/apis/apps/v1/namespaces/default/deployments/sql-0/scale";
    for (path, content_type, body, expected) in [
        (JOBS, JSON, r#"{"kind":"Job","apiVersion":"batch/v1","metadata":{"namespace":"default","name":"sql-1"}}"#, ""),
        (JOBS, JSON, r#"{"kind":"Pod","metadata":{"name":"sql-1"}}"#,        "kind is `Pod`, but the path is about `Job`"),
        (JOBS, JSON, r#"{"kind":"JobList","items":[]}"#,                     "kind is `JobList`, but the path is about `Job`"),
        (PODS, JSON, r#"{"kind":"List","apiVersion":"v1","items":[]}"#,      "kind is `List`, but the path is about `Pod`"),
        (JOBS, JSON, r#"{"kind":["Job"]}"#,                                  "kind is a list, but the path is about `Job`"),
        (JOBS, JSON, r#"{"apiVersion":"v1"}"#,                               "apiVersion is `v1`, but the path is about the group `batch`"),
        (JOBS, JSON, r#"{"apiVersion":"apps/v1"}"#,                          "apiVersion is `apps/v1`, but the path is about the group `batch`"),
        (PODS, JSON, r#"{"apiVersion":"batch/v1"}"#,                         "apiVersion is `batch/v1`, but the path is about the core group, as in `v1`"),
        (SCALE, MERGE_PATCH, r#"{"apiVersion":"apps/v1"}"#,                  "apiVersion is `apps/v1`, but the path is about the group `autoscaling`"),
        (SCALE, MERGE_PATCH, r#"{"kind":"Scale","apiVersion":"autoscaling/v1"}"#, ""),
        (JOBS, JSON, r#"{"metadata":{"namespace":"kube-system"}}"#,          "metadata.namespace is `kube-system`, but the path is about `default`"),
        (POD, MERGE_PATCH, r#"{"metadata":{"namespace":"kube-system"}}"#,    "metadata.namespace is `kube-system`, but the path is about `default`"),
        (JOBS, JSON, r#"{"metadata":{"namespace":1}}"#,                      "metadata.namespace is 1, but the path is about `default`"),
        ("/apis/example.com/v1/namespaces/default/things", JSON, r#"{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"sql-1"}}"#, ""),
        ("/apis/example.com/v1/namespaces/default/things", JSON, r#"{"apiVersion":"v1"}"#, "apiVersion is `v1`, but the path is about the group `example.com`"),
        ("/api/v1/persistentvolumes/sql-0", MERGE_PATCH, r#"{"metadata":{"namespace":"a"}}"#, "metadata.namespace is `a`, but the path is about no namespace"),
        // what is no mapping, or no list
        (PODS, JSON,        "[]",                                            "the body is a list: write a mapping"),
        (POD,  MERGE_PATCH, "null",                                          "the body is nothing: write a mapping"),
        (PODS, JSON,        r#"{"metadata":[]}"#,                            "metadata is a list: write a mapping"),
        (PODS, YAML,        "metadata: off",                                 "metadata is off: write a mapping"),
        // what cannot be judged
        (POD, JSON_PATCH, r#"[{"op":"replace","path":"/spec/replicas","value":1}]"#, "a JSON patch cannot be judged: send a merge patch (`application/merge-patch+json`) or server-side apply (`application/apply-patch+yaml`)"),
        (POD, STRATEGIC_PATCH, r#"{"$patch":"replace"}"#,                    "`$patch` cannot be judged: leave it out, or send a merge patch or server-side apply"),
        (POD, STRATEGIC_PATCH, r#"{"spec":{"volumes":[{"name":"a","$patch":"delete"}]}}"#, "`$patch` cannot be judged: leave it out, or send a merge patch or server-side apply"),
        (POD, STRATEGIC_PATCH, r#"{"spec":{"$retainKeys":["a"]}}"#,          "`$retainKeys` cannot be judged: leave it out, or send a merge patch or server-side apply"),
        (POD, STRATEGIC_PATCH, r#"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}"#, "`$deleteFromPrimitiveList/finalizers` cannot be judged: leave it out, or send a merge patch or server-side apply"),
        (POD, STRATEGIC_PATCH, r#"{"spec":{"$setElementOrder/containers":[{"name":"a"}]}}"#, ""),
        (POD, MERGE_PATCH,     r#"{"$patch":"replace"}"#,                    ""),
    ] {
        let request = Request::parse(b"GET", path.as_bytes()).unwrap();
        let Attributes::Resource(attributes) = &request.attributes else { panic!("{path}") };
        let judged = judged_by(&Constraints::default(), attributes, content_type, body);
        assert_eq!(judged, expected, "{path} {body}");
    }
}

#[test]
fn a_long_or_unprintable_value_is_cut() {
    let body = format!(r#"{{"metadata":{{"name":"a\n\u001b[31mü{}"}}}}"#, "b".repeat(5000));
    let sentence = judged("namePrefix: sql-", PODS, JSON, &body);
    assert!(sentence.starts_with("metadata.name is `a??[31m?bbb"), "{sentence}");
    assert!(sentence.len() < 200 && sentence.bytes().all(|b| matches!(b, b' '..=b'~')));
}

#[test]
fn a_key_or_a_token_is_not_quoted() {
    for secret in [
        "keyhole_sql_abab",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl",
    ] {
        let body = format!(r#"{{"metadata":{{"name":"a-{secret}"}}}}"#);
        let sentence = judged("namePrefix: sql-", PODS, JSON, &body);
        let start = "metadata.name is `(an API key or a token)`:";
        assert!(sentence.starts_with(start), "{sentence}");
    }
}

#[test]
fn a_kind_without_what_is_constrained_is_refused() {
    let request = Request::parse(b"POST", PODS.as_bytes()).unwrap();
    let Attributes::Resource(attributes) = &request.attributes else { panic!() };
    let constraints = Constraints { max_replicas: Some(1), ..Constraints::default() };
    let judged = judged_by(&constraints, attributes, JSON, "{}");
    assert_eq!(judged, Violation::Unknown.to_string());
}

/// A body of fields that are judged, with what belongs there and what does not.
fn body() -> impl Strategy<Value = String> {
    let words = [
        "null",
        "true",
        "false",
        "0",
        "7",
        "-1",
        "\"\"",
        "\"default\"",
        "\"sql-1\"",
        "\"team/a\"",
        "\"evil/x\"",
    ];
    let keys = [
        "metadata",
        "labels",
        "team",
        "name",
        "generateName",
        "namespace",
        "spec",
        "template",
        "replicas",
        "containers",
        "image",
        "volumes",
        "reference",
        "hostPath",
        "hostNetwork",
        "ports",
        "hostPort",
        "securityContext",
        "privileged",
        "capabilities",
        "add",
        "serviceAccountName",
        "serviceAccount",
    ];
    let scalar = prop::sample::select(words.to_vec()).prop_map(String::from);
    scalar.prop_recursive(6, 48, 5, move |inner| {
        let key = prop::sample::select(keys.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(key, inner, 0..5).prop_map(|fields| {
                let fields = fields.iter().map(|(key, value)| format!("{key:?}:{value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A patch says less than an object: what it leaves out is not judged.
    #[test]
    fn what_is_allowed_as_a_whole_is_allowed_as_a_patch(body in body()) {
        let request = Request::parse(b"GET", DEPLOYMENT.as_bytes()).unwrap();
        let Attributes::Resource(attributes) = &request.attributes else { panic!() };
        let free = Constraints::default;
        for constraints in [
            Constraints { images: Some([Image::new("team/")].into()), ..free() },
            Constraints { forbid: Privilege::ALL.into(), ..free() },
            Constraints { service_accounts: Some(["default".into()].into()), ..free() },
            Constraints { name_prefix: Some("sql-".into()), ..free() },
            Constraints { labels: [Label { key: "team".into(), value: None }].into(), ..free() },
            Constraints { max_replicas: Some(5), ..free() },
        ] {
            if judged_by(&constraints, attributes, JSON, &body).is_empty() {
                for form in [APPLY, MERGE_PATCH, STRATEGIC_PATCH] {
                    prop_assert_eq!(judged_by(&constraints, attributes, form, &body), "", "{}", form);
                }
            }
        }
    }
}
