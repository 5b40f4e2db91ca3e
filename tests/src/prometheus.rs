//! A real Prometheus that scrapes a stack.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::stack::{Stack, root, text};

/// How long it may take to get ready, and to see what is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// One that ends with its owner.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    url: String,
}

/// What a Prometheus without the operator reads: what stands under `spec`.
pub fn alerts() -> String {
    let file = root().join("k8s/components/monitoring/rules.yaml");
    let written = fs::read_to_string(file).expect("the rules are there");
    let (_, rules) = written.split_once("\nspec:\n").expect("it has a spec");
    rules.lines().map(|line| format!("{}\n", line.get(2..).unwrap_or_default())).collect()
}

/// `promtool` in this folder.
pub fn promtool(folder: &Path) -> Command {
    let mut command = Command::new(root().join(".tools/prometheus/promtool"));
    command.current_dir(folder);
    command
}

// === impl Prometheus ===

impl Prometheus {
    /// Scrapes this stack every second, and evaluates the alerts as often.
    pub fn watching(stack: &Stack) -> Result<Self> {
        let folder = stack.state().join("prometheus");
        fs::create_dir(&folder)?;
        let target = stack.var("KEYHOLE_MONITORING").strip_prefix("http://");
        let target = target.context("the stack has no port for monitoring")?;
        fs::write(folder.join("rules.yaml"), alerts())?;
        fs::write(
            folder.join("prometheus.yaml"),
            format!(
                "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yaml]\n\
                 scrape_configs:\n- job_name: keyhole\n  metrics_path: /stats/prometheus\n  static_configs:\n  \
                 - {{targets: [\"{target}\"], labels: {{namespace: keyhole, instance: keyhole-0}}}}\n"
            ),
        )?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(root().join(".tools/prometheus/prometheus"))
            .args(["--config.file", "prometheus.yaml", "--storage.tsdb.path", "data"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(stack.state().join("logs/prometheus.log"))?)
            .spawn()
            .context("missing: Prometheus. Run scripts/setup.")?;
        let prometheus = Self { process, url: format!("http://{address}") };
        prometheus.until("it scrapes", || {
            let up = prometheus.query("up == 1");
            up.is_ok_and(|samples| !samples.is_empty())
        })?;
        Ok(prometheus)
    }

    /// Waits for this.
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            ensure!(Instant::now() < deadline, "Prometheus: not within {PATIENCE:?}: {what}");
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// The samples of an instant vector, now; a scalar is one of them.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let data = self.get("query", &[("query", expression)])?;
        match data["resultType"].as_str() {
            Some("vector") => Ok(data["result"].as_array().context("no list")?.clone()),
            Some("scalar") => Ok(vec![data["result"].clone()]),
            other => anyhow::bail!("`{expression}` is a {other:?}"),
        }
    }

    /// The selectors of an expression, as `name{label="value"}`.
    pub fn selectors(&self, expression: &str) -> Result<Vec<String>> {
        let tree = self.get("parse_query", &[("query", expression)])?;
        let mut selectors = Vec::new();
        collect(&tree, &mut selectors);
        Ok(selectors)
    }

    /// The series that a selector has found since the start.
    pub fn series(&self, selector: &str) -> Result<Vec<Value>> {
        let data = self.get("series", &[("match[]", selector)])?;
        Ok(data.as_array().context("no list")?.clone())
    }

    /// Asks the API; what it answers as `data`.
    pub fn get(&self, what: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let mut command = Command::new("curl");
        command.args(["-sS", "--get", &format!("{}/api/v1/{what}", self.url)]);
        for (name, value) in parameters {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let output = command.output()?;
        ensure!(output.status.success(), "{}", text(&output));
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(answer["status"] == "success", "{parameters:?}: {answer}");
        Ok(answer["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("it can be ended");
    }
}

/// From the tree of an expression.
fn collect(tree: &Value, selectors: &mut Vec<String>) {
    if tree["type"] == "vectorSelector" || tree["type"] == "matrixSelector" {
        let matchers = tree["matchers"].as_array().map_or(&[][..], Vec::as_slice);
        let matchers: Vec<String> = matchers
            .iter()
            .filter(|matcher| matcher["name"] != "__name__")
            .map(|matcher| {
                let text = |field: &str| matcher[field].as_str().unwrap_or_default();
                format!("{}{}\"{}\"", text("name"), text("type"), text("value"))
            })
            .collect();
        let name = tree["name"].as_str().unwrap_or_default();
        selectors.push(format!("{name}{{{}}}", matchers.join(",")));
    }
    match tree {
        Value::Array(items) => items.iter().for_each(|item| collect(item, selectors)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, selectors)),
        _ => {}
    }
}
