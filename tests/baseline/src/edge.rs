//! The Worker.

use worker::{Context, DurableObject, Env, Request, Response, Result, State, durable_object, event};

/// Every request. The answer of a hop is the object's own, passed on.
#[event(fetch)]
async fn main(request: Request, env: Env, _context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/" => Response::empty(),
        "/hop" => env.durable_object("OBJECT")?.get_by_name("hop")?.fetch_with_str("http://object/").await,
        _ => Response::error("not found", 404),
    }
}

/// An object that answers at once.
#[durable_object(fetch)]
pub struct Empty;

impl DurableObject for Empty {
    fn new(_state: State, _env: Env) -> Self {
        Self
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::empty()
    }
}
