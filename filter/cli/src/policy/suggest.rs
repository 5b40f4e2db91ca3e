//! `keyhole policy suggest`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use keyhole_core::{Permission, Permissions, ResourceTerm, Term, VerbSet, needs};

use super::count;
use super::decisions::Decisions;
use crate::Outcome;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Envoy's access log; `-` for standard input.
    log: PathBuf,
    /// Suggest for this client only.
    #[arg(long)]
    client: Option<String>,
    /// Include what was refused.
    #[arg(long)]
    refused: bool,
    /// Name objects in `resourceNames` if there are at most so many; otherwise allow any
    /// name.
    #[arg(long, default_value_t = 5, value_name = "N")]
    most_names: usize,
}

/// What one client asked for.
type Seen = BTreeMap<Permission, VerbSet>;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { log, client, refused, most_names } = arguments;
    let decisions = Decisions::read(log)?;
    let mut clients: BTreeMap<&str, Seen> = BTreeMap::new();
    let (mut requests, mut left_out) = (0_usize, 0_usize);
    for (asked, times) in &decisions.asked {
        if client.as_ref().is_some_and(|only| *only != asked.client) {
            continue;
        }
        let needs = needs(&asked.attempt());
        if (asked.refused && !refused) || needs.is_empty() {
            left_out = left_out.saturating_add(*times);
            continue;
        }
        requests = requests.saturating_add(*times);
        let seen = clients.entry(&asked.client).or_default();
        for attributes in needs {
            let verbs = seen.entry(Permission::of(&attributes)).or_default();
            *verbs = verbs.with(attributes.verb());
        }
    }
    if left_out > 0 {
        eprintln!("{}: {} left out: refused", log.display(), count(left_out, "request"));
    }
    anyhow::ensure!(
        !clients.is_empty(),
        "{} tells of no request to write a rule for: give the access log that envoy/bootstrap.yaml writes",
        log.display()
    );
    println!("# From {} of {}.", count(requests, "request"), count(clients.len(), "client"));
    println!("roles:");
    for (client, seen) in clients {
        // A role's name has no dots.
        println!("- name: {}\n  rules:", client.replace('.', "-"));
        for rule in permissions(seen, *most_names).rules("") {
            println!("  - {rule}");
        }
    }
    Ok(Outcome::Done)
}

/// As permissions: for objects with many names, whatever their name.
fn permissions(seen: Seen, most_names: usize) -> Permissions {
    let mut names: BTreeMap<Permission, BTreeSet<Permission>> = BTreeMap::new();
    for permission in seen.keys() {
        names.entry(any_name(permission)).or_default().insert(permission.clone());
    }
    let narrow = |permission: Permission| {
        let any = any_name(&permission);
        let many = names.get(&any).is_some_and(|names| names.len() > most_names);
        if many { any } else { permission }
    };
    seen.into_iter().map(|(permission, verbs)| (narrow(permission), verbs)).collect()
}

fn any_name(permission: &Permission) -> Permission {
    match permission {
        Permission::Path(_) => permission.clone(),
        Permission::Resource(term) => {
            Permission::Resource(ResourceTerm { name: Term::Any, ..term.clone() })
        }
    }
}
