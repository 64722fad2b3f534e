//! supervisord's RPC interface, as its clients speak it, about abide's services: `POST /RPC2`, `GET /logtail/NAME` and
//! `GET /mainlogtail`.
//!
//! What a method means is [`crate::supervisord::rpc`]'s business. Here is what it asks for: how all stands, and the orders
//! that come of it, which go the way of any other order at the doors.

mod census;
mod fleet;
mod input;
mod orders;
mod reading;
mod tail;

pub(super) use census::Census;
pub(super) use input::Inputs;

use super::asked::bad;
use super::call::Ending;
use super::doors::Doors;
use super::problem::Problem;
use super::rights::Visitor;
use crate::supervisord::rpc::{Fault, Step, call};
use crate::supervisord::xmlrpc::{self, Call, Value};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fleet::Fleet;

/// No request is larger, in bytes.
pub(super) const LARGEST_BODY: usize = xmlrpc::MAX_REQUEST;

const HINT: &str = "send an XML-RPC `methodCall` by POST, as supervisorctl and xmlrpc.client do";

const PATHS: [&str; 2] = ["/RPC2", "/RPC2/"];

/// Whether that is where the methods are.
pub(super) fn is_called(path: &str) -> bool {
    PATHS.contains(&path)
}

/// All that clients of supervisord ask for.
pub(super) fn router() -> Router<Doors> {
    let methods = PATHS.iter().fold(Router::new(), |router, path| router.route(path, post(serve).get(unasked)));
    methods.route("/logtail/{*name}", get(tail::of_process)).route("/mainlogtail", get(tail::of_abide))
}

async fn unasked() -> Problem {
    bad("nothing is asked here with GET", HINT)
}

async fn serve(State(doors): State<Doors>, who: Visitor, body: Bytes) -> Result<Response, Problem> {
    let called = xmlrpc::request(&body).map_err(|wrong| bad(wrong.to_string(), HINT))?;
    drop(body);
    let answer = match answer(&doors, &who, &called).await? {
        Ok(value) => xmlrpc::response(&value),
        Err(fault) => xmlrpc::fault(fault.code.number(), &fault.text()),
    };
    Ok(([(header::CONTENT_TYPE, "text/xml")], answer).into_response())
}

/// Step by step: what is to be done next is told of how all stands then.
async fn answer(doors: &Doors, who: &Visitor, called: &Call) -> Result<Result<Value, Fault>, Ending> {
    let mut fleet = Fleet::of(doors, who).await?;
    let mut step = call(&called.method, &called.params, &fleet.view);
    loop {
        let (orders, then) = match step {
            Step::Answer(value) => return Ok(Ok(value)),
            Step::Fault(fault) => return Ok(Err(fault)),
            Step::Do(orders, then) => (orders, then),
        };
        let outcomes = orders::carry_out(doors, who, &fleet, orders).await?;
        fleet = Fleet::of(doors, who).await?;
        step = then.resume(outcomes, &fleet.view);
    }
}
