//! The component, under wasmtime.

use std::sync::LazyLock;

use keyhole_tests::component::component;
use wasmtime::component::{Component, Linker, ResourceAny};
use wasmtime::{Config, Engine, OptLevel, Store};

use self::bindings::Keyhole;
use self::bindings::exports::keyhole::policy::policies as wit;
use super::question::{Asked, Documents, Judged, Read, Row, Rows, hex, unhex};

mod bindings {
    wasmtime::component::bindgen!({ path: "../filter/component/wit", world: "keyhole" });
}

pub struct Host {
    store: Store<()>,
    component: Component,
    keyhole: Keyhole,
}

// === impl Host ===

impl Host {
    pub fn new() -> Self {
        // To compile it takes long.
        static COMPILED: LazyLock<Component> = LazyLock::new(compiled);
        let (component, engine) = (COMPILED.clone(), COMPILED.engine());
        let mut store = Store::new(engine, ());
        // It is given nothing, so there is nothing that it could import.
        let linker = Linker::new(engine);
        let keyhole = Keyhole::instantiate(&mut store, &component, &linker).unwrap();
        Self { store, component, keyhole }
    }

    pub fn imports(&self) -> Vec<String> {
        let engine = self.store.engine();
        let imports = self.component.component_type();
        imports.imports(engine).map(|(name, _)| name.to_owned()).collect()
    }

    pub fn judged(&mut self, rows: &Rows) -> Vec<Judged> {
        let policy = self.load(&rows.policy).unwrap();
        rows.rows.iter().map(|row| self.judge(policy, row, rows.now)).collect()
    }

    pub fn read(&mut self, documents: &Documents) -> Read {
        let texts = documents.documents.iter();
        let loaded: Vec<_> = texts.map(|text| self.load(text)).collect();
        let checked = loaded.iter().map(|loaded| match loaded {
            Ok(policy) => self.described(*policy, documents.now),
            Err(problems) => format!("problems\n{}", written(problems)),
        });
        let checked = checked.collect();
        let valid: Vec<_> = loaded.iter().flatten().copied().collect();
        let pairs = valid.iter().flat_map(|old| valid.iter().map(|new| (*old, *new)));
        let diffs = pairs.map(|(old, new)| {
            let policies = self.keyhole.keyhole_policy_policies();
            policies.call_diff(&mut self.store, old, new).unwrap().words
        });
        Read { checked, diffs: diffs.collect() }
    }

    fn load(&mut self, text: &str) -> Result<ResourceAny, Vec<wit::Problem>> {
        let policies = self.keyhole.keyhole_policy_policies();
        policies.policy().call_load(&mut self.store, text).unwrap()
    }

    fn described(&mut self, policy: ResourceAny, now: u64) -> String {
        let of = self.keyhole.keyhole_policy_policies().policy();
        let revision = of.call_revision(&mut self.store, policy).unwrap();
        let names = of.call_clients(&mut self.store, policy).unwrap().join(" ");
        let warnings = of.call_warnings(&mut self.store, policy, now).unwrap();
        format!("valid {revision} {names}\n{}", written(&warnings))
    }

    fn judge(&mut self, policy: ResourceAny, row: &Row, now: u64) -> Judged {
        let words = row.asked.as_ref().map(|asked| self.words(policy, asked));
        let headers = row.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), unhex(value))).collect();
        let body = row.body.as_deref().map(unhex);
        let arrival = wit::Arrival { headers, body, source: None };
        let of = self.keyhole.keyhole_policy_policies().policy();
        match of.call_judge(&mut self.store, policy, &arrival, now).unwrap() {
            Ok(wit::Permit { client, account, attributes, headers, body, reported }) => {
                let (_, target) = headers.iter().find(|(name, _)| name == ":path").unwrap();
                let target = String::from_utf8(target.clone()).unwrap();
                let headers =
                    headers.iter().map(|(name, value)| format!("{name}: {}\n", hex(value)));
                let body = body.as_deref().map(hex).unwrap_or_default();
                let (headers, reported) =
                    (headers.collect::<String>(), reported.unwrap_or_default());
                let message = format!("{client} {account}\n{headers}{body}\n{reported}");
                let attributes = match attributes {
                    wit::Attributes::Path(own) => format!("{} {target}", own.verb),
                    wit::Attributes::Resource(own) => format!(
                        "{} {}/{}/{} {}/{}",
                        own.verb,
                        own.api_group,
                        own.resource,
                        own.subresource,
                        own.namespace,
                        own.name
                    ),
                };
                Judged { status: None, attributes: Some(attributes), message, words }
            }
            Err(wit::Refusal { status, headers, body, reason }) => {
                let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
                let (headers, body) =
                    (headers.collect::<String>(), String::from_utf8(body).unwrap());
                let message = format!("{headers}{body}{reason}");
                Judged { status: Some(status), attributes: None, message, words }
            }
        }
    }

    fn words(&mut self, policy: ResourceAny, asked: &Asked) -> String {
        let Asked { client, method, target, content_type } = asked;
        let request = wit::Request {
            client: client.clone(),
            method: method.clone(),
            target: target.clone(),
            content_type: content_type.clone(),
            body: None,
        };
        let of = self.keyhole.keyhole_policy_policies().policy();
        of.call_explain(&mut self.store, policy, &request).unwrap().unwrap().words
    }
}

fn compiled() -> Component {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(&config).unwrap();
    Component::from_file(&engine, component())
        .unwrap_or_else(|error| panic!("run scripts/component: {error:#}"))
}

fn written(problems: &[wit::Problem]) -> String {
    let lines = problems.iter().map(|problem| {
        let wit::Problem { line, column, field, message } = problem;
        format!("{line}:{column}: {field}: {message}\n")
    });
    lines.collect()
}
