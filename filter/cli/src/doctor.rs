//! `keyhole doctor`.

mod accounts;
mod certificate;
mod cluster;
mod gateway;
mod kubectl;
mod policy;
mod report;
mod review;
mod rights;
mod url;

use clap::Args;

use self::kubectl::Kubectl;
use self::report::{Output, Report};
use crate::Outcome;
use crate::object::Object;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The gateway's own account, as NAMESPACE/NAME.
    #[arg(long, default_value = "keyhole/keyhole")]
    account: Object,
    /// The Deployment that Envoy runs in.
    #[arg(long, default_value = "keyhole/keyhole")]
    deployment: Object,
    /// The TLS secret with the certificate that clients see.
    #[arg(long, default_value = "keyhole/keyhole-tls")]
    secret: Object,
    /// The ConfigMap with the policy.
    #[arg(long, default_value = "keyhole/keyhole-policy")]
    config_map: Object,
    /// The context of the kubeconfig, if not its current one.
    #[arg(long)]
    context: Option<String>,
    #[command(flatten)]
    call: url::Call,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { account, deployment, secret, config_map, context, call, output } =
        arguments;
    let kubectl = Kubectl::new(context.clone());
    let mut report = Report::default();
    let mut policy = None;
    if cluster::check(&kubectl, &mut report)? {
        gateway::check(&kubectl, account, deployment, &mut report)?;
        certificate::check(&kubectl, secret, &mut report)?;
        policy = policy::check(&kubectl, config_map, &mut report)?;
    }
    if let Some(found) = &policy {
        accounts::check(&kubectl, account, config_map, found, &mut report)?;
        rights::check(&kubectl, &found.loaded.policy, &mut report)?;
    }
    call.check(policy.as_ref(), &mut report)?;
    report.print(*output)?;
    match report.is_healthy() {
        true => Ok(Outcome::Done),
        false => Ok(Outcome::Problems),
    }
}
