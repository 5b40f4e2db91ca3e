//! Envoy's admin interface: what it was told, as it took it.

use std::process::Command;

use serde_json::Value;

#[derive(Clone)]
pub struct Admin {
    pub port: u16,
}

// === impl Admin ===

impl Admin {
    fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let output = Command::new("curl").args(["-fsS", &url]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    pub fn is_ready(&self) -> bool {
        self.get("/ready").is_some()
    }

    /// The resources of this type that were taken, by the name of their field in the dump.
    pub fn dump(&self, field: &str) -> Vec<Value> {
        let dump = self.get("/config_dump").expect("Envoy answers");
        let dump: Value = serde_json::from_str(&dump).unwrap();
        let lists = dump["configs"].as_array().unwrap().iter();
        lists.filter_map(|list| list[field].as_array()).flatten().cloned().collect()
    }

    /// What was refused, in Envoy's words.
    pub fn refused(&self) -> Vec<Value> {
        [
            "dynamic_listeners",
            "dynamic_active_clusters",
            "dynamic_route_configs",
            "ecds_filters",
        ]
        .into_iter()
        .flat_map(|field| self.dump(field))
        .filter(|resource| resource.get("error_state").is_some())
        .collect()
    }

    /// The connection manager of the listener for clients.
    pub fn connection_manager(&self) -> Value {
        let listeners = self.dump("dynamic_listeners");
        let mut managers = listeners.iter().filter_map(|listener| {
            let chain = &listener["active_state"]["listener"]["filter_chains"][0];
            let manager = &chain["filters"][0]["typed_config"];
            (chain["transport_socket"]["name"] == "envoy.transport_sockets.tls")
                .then_some(manager)
        });
        managers.next().unwrap_or_else(|| panic!("no listener: {listeners:?}")).clone()
    }
}
