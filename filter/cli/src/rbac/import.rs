//! `keyhole rbac import`.

mod fragment;
mod objects;
mod place;
mod translate;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, bail, ensure};
use clap::Args;
use keyhole_core::load_policy;

use self::fragment::{Fragment, Imported};
use self::objects::Objects;
use self::place::place;
use self::translate::translate;
use crate::Outcome;
use crate::object::Object;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Kubernetes objects: YAML, also several documents, or JSON; `-` is standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Only what this ServiceAccount is bound to, itself or by its groups: NAMESPACE/NAME.
    #[arg(long, conflicts_with_all = ["namespaces", "cluster_scope"])]
    account: Option<Object>,
    /// Where a ClusterRole holds that nothing in the input binds; may be given again.
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,
    /// A ClusterRole that nothing in the input binds holds at the cluster scope, and for
    /// its `nonResourceURLs`.
    #[arg(long)]
    cluster_scope: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut objects = Objects::default();
    for file in &arguments.files {
        objects.read(&text(file)?).with_context(|| file.display().to_string())?;
    }
    ensure!(
        !objects.is_empty(),
        "there is no Role, ClusterRole, RoleBinding or ClusterRoleBinding in the input"
    );
    let fragment = fragment(arguments, &objects)?;
    for warning in fragment.warnings() {
        eprintln!("warning: {warning}");
    }
    let text = fragment.to_string();
    let policy = format!("apiVersion: keyhole/v1\nkind: Policy\nclients: []\n{text}");
    if let Err(problems) = load_policy(&policy) {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        bail!("what these say cannot be a policy: {}", problems.join("; "));
    }
    print!("{text}");
    Ok(Outcome::Done)
}

fn fragment<'o>(arguments: &Arguments, objects: &'o Objects) -> anyhow::Result<Fragment<'o>> {
    let mut imported = Vec::new();
    for role in &objects.roles {
        if let Some(place) = place(role, objects, arguments)? {
            let rules = role.rules.iter().map(|rule| translate(rule, &place)).collect();
            imported.push(Imported { role, place, rules });
        }
    }
    let account = arguments.account.as_ref();
    let bindings = objects.bindings.iter().filter(|binding| {
        account.is_none_or(|account| binding.holds_for(account))
            && !objects.roles.iter().any(|role| binding.binds(role))
    });
    Ok(Fragment { imported, without_role: bindings.collect(), for_account: account.is_some() })
}

fn text(file: &Path) -> anyhow::Result<String> {
    let bytes = match file.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        }
        false => fs::read(file),
    };
    let bytes = bytes.with_context(|| format!("cannot read {}", file.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}
