//! Settings from the runtime's environment: read once per isolate, since they cannot change while it lives.

use std::{cell::OnceCell, rc::Rc};

use js_sys::Reflect;
use worker::Env;

use crate::{
    api::Deployment,
    config::{self, Problem},
};

/// What every request of an isolate shares.
pub(super) type SharedDeployment = Rc<Result<Deployment, Vec<Problem>>>;

thread_local! {
    /// The isolate's deployment.
    static DEPLOYMENT: OnceCell<SharedDeployment> = const { OnceCell::new() };
}

/// The deployment of this isolate.
pub(super) fn deployment(env: &Env) -> SharedDeployment {
    DEPLOYMENT.with(|cell| {
        let read = || config::read(|name| text_of(env, name));
        Rc::clone(cell.get_or_init(|| Rc::new(read().map(Deployment::new))))
    })
}

/// The text of a binding. `Env::var` throws where nothing can catch it when plain workerd gives `null` for a variable
/// that is not set.
fn text_of(env: &Env, name: &str) -> Option<String> {
    Reflect::get(env, &name.into()).ok().and_then(|value| value.as_string())
}
