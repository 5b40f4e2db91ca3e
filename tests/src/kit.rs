//! The requests that the T-SQL kit makes (`tests/sql/calls.toml`), sent as SQL Server
//! sends them.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::sp_invoke::{Answer, Call, Error, Instance};
use crate::stack::root;

#[derive(Debug, Deserialize)]
struct File {
    call: Vec<Request>,
}

/// One request of a procedure, with an example of its parameters.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    pub procedure: String,
    pub method: String,
    path: String,
    headers: Map<String, Value>,
    payload: Option<Value>,
    retry_count: i64,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// In the order of the file.
pub fn requests() -> Result<Vec<Request>> {
    let File { call } =
        toml::from_str(&fs::read_to_string(root().join("tests/sql/calls.toml"))?)?;
    Ok(call)
}

/// The one of this procedure that is sent with this method.
pub fn request(procedure: &str, method: &str) -> Result<Request> {
    let is_it = |request: &Request| request.procedure == procedure && request.method == method;
    requests()?.into_iter().find(is_it).context("the kit makes no such request")
}

// === impl Request ===

impl Request {
    /// With this parameter instead of the example's.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Without what the query says of this parameter, as the procedure does when its own
    /// is NULL.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        if let Some((path, query)) = self.path.split_once('?') {
            let value = format!("{{{name}}}");
            let left: Vec<&str> =
                query.split('&').filter(|pair| !pair.ends_with(&value)).collect();
            self.path = format!("{path}?{}", left.join("&"));
        }
        self
    }

    /// The URL's part after the host.
    pub fn target(&self) -> String {
        text(self.fill(&self.path))
    }

    /// Sends it to `base` with the credential of the same name.
    pub fn send(&self, instance: &Instance, base: &str) -> Result<Answer, Error> {
        let headers: Map<_, _> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), text(self.filled(value)).into()))
            .collect();
        let headers =
            Some(Value::Object(headers).to_string()).filter(|headers| headers != "{}");
        // As SQL Server writes JSON.
        let payload = self.payload.as_ref();
        let payload = payload.map(|own| self.filled(own).to_string().replace('/', "\\/"));
        instance.invoke(&Call {
            credential: Some(base),
            method: &self.method,
            headers: headers.as_deref(),
            payload: payload.as_deref(),
            retry_count: self.retry_count,
            // Of all procedures only k8s.wait needs so long.
            timeout: if self.procedure == "k8s.wait" { 230 } else { 30 },
            ..Call::to(&format!("{base}{}", self.target()))
        })
    }

    /// With the parameters in place of their names.
    fn fill(&self, template: &str) -> Value {
        if let Some(whole) = template.strip_prefix('{').and_then(|text| text.strip_suffix('}'))
            && let Some(value) = self.parameters.get(whole)
        {
            return value.clone();
        }
        let mut filled = template.to_owned();
        for (name, value) in &self.parameters {
            filled = filled.replace(&format!("{{{name}}}"), &text(value.clone()));
        }
        filled.into()
    }

    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.fill(text),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect()
            }
            other => other.clone(),
        }
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
