//! The handler that tests/clients/README.md describes, with the official client for Rust.
use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::{json, Value};

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (body, context) = event.into_parts();
    match body["do"].as_str() {
        Some("fail") => Err("on purpose".into()),
        Some("big") => Ok(Value::String("b".repeat(body["bytes"].as_u64().unwrap_or(2) as usize - 2))),
        _ => Ok(json!({
            "value": body["value"],
            "requestId": context.request_id,
            "custom": context.client_context.map(|c| c.custom),
        })),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if std::env::var_os("STOKE_TEST_INIT_ERROR").is_some() {
        return Err("no init on purpose".into());
    }
    run(service_fn(handler)).await
}
