//! Why a policy allows a request, or does not, by the component under wasmtime:
//!
//! ```text
//! explain keyhole.wasm policy.yaml sql-prod-01 GET /api/v1/namespaces/shop/pods
//! ```

use std::{env, fs};

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Result, Store};

use self::exports::keyhole::policy::policies::Request;

wasmtime::component::bindgen!({ path: "../filter/component/wit", world: "keyhole" });

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [component, policy, client, method, target] = &arguments[..] else {
        wasmtime::bail!("give the component, a policy, a client, a method and a target");
    };
    let engine = Engine::new(&Config::new())?;
    let component = Component::from_file(&engine, component)?;
    let mut store = Store::new(&engine, ());
    // The component imports nothing, so the linker has nothing to offer.
    let keyhole = Keyhole::instantiate(&mut store, &component, &Linker::new(&engine))?;
    let policies = keyhole.keyhole_policy_policies();

    let policy = match policies.policy().call_load(&mut store, &fs::read_to_string(policy)?)? {
        Ok(policy) => policy,
        Err(problems) => {
            for problem in problems {
                eprintln!("{}:{}: {}", problem.line, problem.column, problem.message);
            }
            wasmtime::bail!("the policy has problems");
        }
    };
    let request = Request {
        client: client.clone(),
        method: method.clone(),
        target: target.clone(),
        content_type: None,
        body: None,
    };
    match policies.policy().call_explain(&mut store, policy, &request)? {
        Ok(explanation) => print!("{}", explanation.words),
        Err(no_client) => eprintln!("{no_client}"),
    }
    Ok(())
}
