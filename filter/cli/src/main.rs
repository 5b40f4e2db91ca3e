//! `keyhole`: what a platform engineer runs beside the gateway.

#![forbid(unsafe_code)]

mod clock;
mod key;
mod object;
mod policy;
mod rbac;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keys and policies for Keyhole, the keyed opening from SQL Server to the Kubernetes API.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 the policy has problems (or what the command says), 2 the command could not run."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make and rotate API keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Check, explain and test policies, and render them for Envoy.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Print the Kubernetes permissions that a policy needs, and make rules of them.
    #[command(subcommand)]
    Rbac(rbac::Command),
}

/// What a command came to.
enum Outcome {
    Changed,
    Denied,
    Done,
    Failed,
    Problems,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Key(command) => key::run(command),
        Command::Policy(command) => policy::run(command),
        Command::Rbac(command) => rbac::run(command),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Changed | Outcome::Denied | Outcome::Failed | Outcome::Problems) => {
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("keyhole: {error:#}");
            ExitCode::from(2)
        }
    }
}
