//! `keyhole`: what a platform engineer runs beside the gateway.

mod access_log;
mod clock;
mod drain;
mod key;
mod log;
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
    /// Let this pod's Envoy finish what clients have begun: for a `preStop` hook.
    ///
    /// From the start on, each answer tells its client to connect anew, which leads to
    /// another pod. Ends when no client is connected, or none asks for anything any more.
    Drain(drain::Arguments),
    /// Make and rotate API keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Print the gateway's access log in Kubernetes terms, a JSON object a line.
    ///
    ///   grep REQUEST-ID access.log | keyhole log
    #[command(verbatim_doc_comment)]
    Log(log::Arguments),
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
        Command::Drain(arguments) => drain::run(&arguments),
        Command::Key(command) => key::run(command),
        Command::Log(arguments) => log::run(&arguments),
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
