//! `sp-invoke`: one call of the double of `sp_invoke_external_rest_endpoint`. Prints
//! the envelope, and on stderr what SQL Server says besides.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use keyhole_tests::sp_invoke::{ASSUMED, Call, Credential, Error, Instance, Options};

/// Calls an endpoint as SQL Server 2025 does, as far as that is documented.
#[derive(Parser)]
#[command(name = "sp-invoke", after_help = assumed())]
struct Arguments {
    #[arg(long)]
    url: String,
    #[arg(long, default_value = "POST")]
    method: String,
    /// A flat JSON object.
    #[arg(long, value_name = "JSON")]
    headers: Option<String>,
    #[arg(long, value_name = "TEXT")]
    payload: Option<String>,
    /// In seconds, over all attempts: 1 to 230.
    #[arg(long, value_name = "N", default_value_t = 30)]
    timeout: i64,
    /// 0 to 10.
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry_count: i64,
    /// A credential: the URL that it is for, and the headers that it adds.
    #[arg(long, value_name = "NAME=SECRETJSON", conflicts_with = "key", value_parser = credential)]
    credential: Option<Credential>,
    /// An API key: a credential for the URL's host with the header `x-api-key`.
    #[arg(long)]
    key: Option<String>,
    /// The directory with the certificates (*.crt) of trusted CAs, or one such file.
    #[arg(long, value_name = "DIR_OR_FILE")]
    ca: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let instance = match Instance::start(&arguments.ca, Options::default()) {
        Ok(instance) => instance,
        Err(error) => {
            eprintln!("sp-invoke: {error:#}");
            return ExitCode::from(2);
        }
    };
    match arguments.run(instance) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Msg {}, Level {}, State 1\n{error}", error.number(), Error::SEVERITY);
            ExitCode::from(1)
        }
    }
}

// === impl Arguments ===

impl Arguments {
    fn run(self, instance: Instance) -> Result<(), Error> {
        let with_key = |key| {
            let secret = serde_json::json!({ "x-api-key": key }).to_string();
            Credential::for_host(&self.url, &secret)
        };
        let credential = self.credential.or_else(|| self.key.map(with_key));
        let name = credential.as_ref().map(|credential| credential.name().to_owned());
        let instance = credential.into_iter().fold(instance, Instance::with);
        let answer = instance.invoke(&Call {
            url: &self.url,
            payload: self.payload.as_deref(),
            headers: self.headers.as_deref(),
            method: &self.method,
            timeout: self.timeout,
            credential: name.as_deref(),
            retry_count: self.retry_count,
        })?;
        for warning in answer.warnings {
            eprintln!("{warning}");
        }
        println!("{}", answer.response);
        eprintln!("return value {}", answer.return_value);
        Ok(())
    }
}

fn credential(text: &str) -> Result<Credential, &'static str> {
    let (name, secret) = text.split_once('=').ok_or("it is not NAME=SECRETJSON")?;
    Ok(Credential::new(name, "HTTPEndpointHeaders", secret))
}

fn assumed() -> String {
    let rows = ASSUMED.iter().map(|(row, what)| format!("  {row:>2}  {what}\n"));
    format!(
        "Assumed, for no document says so (rows of the specification):\n{}",
        rows.collect::<String>()
    )
}
