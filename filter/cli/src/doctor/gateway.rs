//! The namespace, the gateway's account, and Envoy's Deployment.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::kubectl::Kubectl;
use super::report::{Area, Report};
use crate::object::Object;

#[derive(Deserialize)]
struct Deployment {
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Spec {
    replicas: u32,
    template: Template,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    ready_replicas: u32,
    updated_replicas: u32,
}

#[derive(Deserialize)]
struct Template {
    spec: PodSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default)]
    service_account_name: String,
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    image: String,
}

const APPLY: &str = "kubectl apply -k k8s/base";

pub(super) fn check(
    kubectl: &Kubectl,
    account: &Object,
    deployment: &Object,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Object { namespace, name } = account;
    let own = &Object { namespace: namespace.clone(), name: namespace.clone() };
    match kubectl.get::<IgnoredAny>("namespace", own)? {
        Ok(Some(_)) => report.ok(Area::Gateway, format!("the namespace {namespace} exists")),
        Ok(None) => {
            report.problem(Area::Gateway, format!("there is no namespace {namespace}"), APPLY);
        }
        Err(failed) => failed.report(Area::Gateway, "the namespace", report),
    }
    match kubectl.get::<IgnoredAny>("serviceaccount", account)? {
        Ok(Some(_)) => {
            report.ok(Area::Gateway, format!("the ServiceAccount {namespace}/{name} exists"));
        }
        Ok(None) => report.problem(
            Area::Gateway,
            format!("there is no ServiceAccount {namespace}/{name}"),
            format!("{APPLY}, or name the gateway's account by --account"),
        ),
        Err(failed) => failed.report(Area::Gateway, "the ServiceAccount", report),
    }
    check_deployment(kubectl, account, deployment, report)
}

fn check_deployment(
    kubectl: &Kubectl,
    account: &Object,
    at: &Object,
    report: &mut Report,
) -> anyhow::Result<()> {
    let Object { namespace, name } = at;
    let deployment = match kubectl.get::<Deployment>("deployment", at)? {
        Ok(Some(deployment)) => deployment,
        Ok(None) => {
            report.problem(
                Area::Gateway,
                format!("there is no Deployment {namespace}/{name}"),
                format!("{APPLY}, or name the one that Envoy runs in by --deployment"),
            );
            return Ok(());
        }
        Err(failed) => {
            failed.report(Area::Gateway, "the Deployment", report);
            return Ok(());
        }
    };
    let Deployment { spec: Spec { replicas, template }, status } = deployment;
    let Status { ready_replicas: ready, updated_replicas: updated } = status;
    let PodSpec { service_account_name: used, containers } = template.spec;
    let images: Vec<String> = containers.into_iter().map(|one| one.image).collect();
    let what = format!("the Deployment {namespace}/{name} ({})", images.join(", "));
    let found = format!("{what}: {ready} of {replicas} replicas are ready");
    if replicas == 0 {
        report.problem(
            Area::Gateway,
            format!("{what} has 0 replicas"),
            format!("kubectl scale deployment/{name} -n {namespace} --replicas 2"),
        );
    } else if ready < replicas {
        report.problem(
            Area::Gateway,
            found,
            format!(
                "kubectl describe pods -n {namespace}; kubectl logs -n {namespace} deployment/{name}"
            ),
        );
    } else if updated < replicas {
        report.warning(
            Area::Gateway,
            format!("{found}, and {updated} are up to date"),
            format!("kubectl rollout status -n {namespace} deployment/{name}"),
        );
    } else {
        report.ok(Area::Gateway, found);
    }
    if used != account.name || *namespace != account.namespace {
        let used = if used.is_empty() { "default" } else { &used };
        report.problem(
            Area::Gateway,
            format!("the Deployment's pods run as {namespace}/{used}, not as {}/{}", account.namespace, account.name),
            "set serviceAccountName in the Deployment, or name the account that they run as by --account",
        );
    }
    Ok(())
}
