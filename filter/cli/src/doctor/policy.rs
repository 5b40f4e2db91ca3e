//! The policy that lies in the cluster.

use std::collections::BTreeMap;

use keyhole_core::{
    Loaded, PluginConfig, Problem, list_policy, load_plugin_config, load_policy, warnings,
};
use serde::Deserialize;

use super::kubectl::Kubectl;
use super::report::{Area, Report};
use crate::clock::now;
use crate::object::Object;

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// A policy, and how it reaches the gateway.
pub(super) struct Found {
    pub(super) loaded: Loaded,
    pub(super) is_live: bool,
}

/// What Envoy reads of a mounted ConfigMap, as far as the policy is concerned.
#[derive(Deserialize)]
struct Ecds {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    typed_config: Wasm,
}

#[derive(Deserialize)]
struct Wasm {
    config: Plugin,
}

#[derive(Deserialize)]
struct Plugin {
    configuration: Value,
}

#[derive(Deserialize)]
struct Value {
    value: String,
}

/// The policy, if there is a valid one.
pub(super) fn check(
    kubectl: &Kubectl,
    at: &Object,
    report: &mut Report,
) -> anyhow::Result<Option<Found>> {
    let Object { namespace, name } = at;
    let what = format!("the ConfigMap {namespace}/{name}");
    let map = match kubectl.get::<ConfigMap>("configmap", at)? {
        Ok(Some(map)) => map,
        Ok(None) => {
            report.problem(
                Area::Policy,
                format!("there is no ConfigMap {namespace}/{name}"),
                format!("kubectl create configmap {name} -n {namespace} --from-file policy.yaml=FILE, or name the one with the policy by --config-map"),
            );
            return Ok(None);
        }
        Err(failed) => {
            failed.report(Area::Policy, &what, report);
            return Ok(None);
        }
    };
    let (live, mounted) = (map.data.get("policy.yaml"), map.data.get("ecds.yaml"));
    let read = match (live, mounted) {
        (Some(text), _) => load_policy(text),
        (None, Some(text)) => match rendered(text) {
            Some(read) => read,
            None => {
                let found = format!("ecds.yaml in {what} carries no policy of Keyhole");
                report.problem(Area::Policy, found, "keyhole policy render FILE prints it");
                return Ok(None);
            }
        },
        (None, None) => {
            let found = format!("{what} has neither policy.yaml nor ecds.yaml");
            report.problem(Area::Policy, found, "put the policy there as policy.yaml");
            return Ok(None);
        }
    };
    match read {
        Ok(loaded) => {
            let (clients, revision) = (loaded.policy.clients().len(), &loaded.revision);
            let found = format!("{what} has revision {revision}, clients {clients}");
            match clients {
                0 => {
                    report.warning(Area::Policy, found, "add a client: nobody may do anything")
                }
                _ => report.ok(Area::Policy, found),
            }
            if let Some(text) = live {
                warn(text, at, report)?;
            }
            Ok(Some(Found { loaded, is_live: live.is_some() }))
        }
        Err(problems) => {
            refuse(&what, &problems, report);
            Ok(None)
        }
    }
}

/// What `keyhole policy render` has put into the resource; `None` if nothing.
fn rendered(ecds: &str) -> Option<Result<Loaded, Vec<Problem>>> {
    let ecds: Ecds = serde_saphyr::from_str(ecds).ok()?;
    let resource = ecds.resources.into_iter().next()?;
    match load_plugin_config(&resource.typed_config.config.configuration.value) {
        Ok(PluginConfig::Inline(loaded)) => Some(Ok(loaded)),
        Ok(PluginConfig::Live(_)) => None,
        Err(problems) => Some(Err(problems)),
    }
}

fn refuse(what: &str, problems: &[Problem], report: &mut Report) {
    for Problem { line, column, field, message } in problems {
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        report.problem(
            Area::Policy,
            format!("{what}, line {line}, column {column}: {field}{message}"),
            "apply one that `keyhole policy check FILE` takes; until then the last good one stays",
        );
    }
}

fn warn(text: &str, at: &Object, report: &mut Report) -> anyhow::Result<()> {
    let Ok(listing) = list_policy(text) else { return Ok(()) };
    let count = warnings(&listing, now()?).len();
    if count > 0 {
        let Object { namespace, name } = at;
        report.warning(
            Area::Policy,
            format!("the policy is valid, but `keyhole policy check` warns; warnings {count}"),
            format!("kubectl get configmap {name} -n {namespace} -o 'jsonpath={{.data.policy\\.yaml}}' | keyhole policy check /dev/stdin"),
        );
    }
    Ok(())
}
