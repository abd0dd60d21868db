//! The change from a service that a Hub has left behind to that of the next Hub.
//!
//! A Hub that is killed leaves the service that it started, which goes on with whom it knows. The next Hub starts one of its own
//! for the same address, and ends with it if it ends. So the one that was left makes room once there is a Hub again, and the
//! new one waits for that.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::unix::process::parent_id,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::api::Api;
use crate::{jupyterhub::Service, listener};

/// How often a service looks whether it was left behind.
const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// How often an address that is taken is tried again, and for how long.
const TRIES_EVERY: Duration = Duration::from_millis(50);
const TRIES_FOR: Duration = Duration::from_secs(10);

/// The service, if it is the Hub that started it.
fn managed(service: Option<&Service>) -> Option<&Service> {
    service.filter(|service| service.listen.is_some())
}

/// Waits until the Hub that started this process is gone, and there is another.
pub async fn succeeded(service: Option<&Service>) {
    let Some(service) = managed(service) else { return std::future::pending().await };
    let api = Api::new(service.clone());
    let parent = parent_id();
    loop {
        sleep(LOOKS_EVERY).await;
        // One that is being killed may take connections for a moment when it is no parent any more, but answers nothing.
        if parent_id() != parent && api.greet().await.is_ok() {
            return;
        }
    }
}

/// Listens on an address, after whom another Hub may have left there.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn listen(address: SocketAddr, service: Option<&Service>) -> io::Result<TcpListener> {
    let end = Instant::now() + TRIES_FOR;
    loop {
        match listener::bind(address) {
            Err(error)
                if error.kind() == ErrorKind::AddrInUse
                    && managed(service).is_some()
                    && Instant::now() < end =>
            {
                sleep(TRIES_EVERY).await;
            }
            bound => return bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(address: SocketAddr, started: bool) -> Service {
        Service::from_variables(|name| match name {
            "JUPYTERHUB_SERVICE_NAME" => Some("framehub".to_owned()),
            "JUPYTERHUB_API_URL" => Some("http://127.0.0.1:8081/hub/api".to_owned()),
            "JUPYTERHUB_API_TOKEN" => Some("token".to_owned()),
            "JUPYTERHUB_SERVICE_URL" if started => Some(format!("http://{address}")),
            _ => None,
        })
        .unwrap()
    }

    #[actix_web::test]
    async fn a_service_of_the_hub_waits_for_its_address_and_another_does_not() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let refused = listen(address, Some(&service(address, false))).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::AddrInUse);
        actix_web::rt::spawn(async move {
            sleep(TRIES_EVERY).await;
            drop(taken);
        });
        let listener = listen(address, Some(&service(address, true))).await.unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
    }
}
