//! Questions to a remote, in version 0 of git's protocol: what it has, and one request.

use std::sync::Arc;

use super::error::GitFault;
use super::packets::{Advertisement, Packets};
use super::service::GitService;
use super::transport::{AnswerBody, GitSession, Remote};
use crate::clients::http::{HttpClient, Method, Purpose};

impl GitSession {
    /// Asks what the remote has.
    ///
    /// # Errors
    /// Fails when the remote cannot be reached, refuses, or does not speak git.
    pub(super) fn look(&mut self, service: GitService) -> Result<Packets<'_>, GitFault> {
        match &self.remote {
            Remote::Http(client) => {
                let name = service.name();
                let request = client
                    .request(Method::GET, ["info", "refs"])
                    .query(&[("service", name)]);
                let wanted = format!("application/x-{name}-advertisement");
                self.open(&Arc::clone(client), Purpose::Ask, request, &wanted)?;
            }
            Remote::Ssh(remote) => self.connect(&Arc::clone(remote), service)?,
        }
        Ok(Packets::new(AnswerBody::new(self)))
    }

    /// Sends a request of git's.
    ///
    /// # Errors
    /// Fails when the remote cannot be reached, refuses, or does not speak git.
    pub(super) fn ask(
        &mut self,
        service: GitService,
        body: Vec<u8>,
    ) -> Result<Packets<'_>, GitFault> {
        match &self.remote {
            Remote::Http(client) => {
                let client = Arc::clone(client);
                self.post(&client, service, service.purpose(), None, body)
            }
            Remote::Ssh(_) => {
                // A connection takes one request, after it said what the remote has.
                if self.waiting_for(service).is_none() {
                    Advertisement::read(self.look(service)?, &[])?;
                }
                if let Some(connection) = self.waiting_for(service) {
                    connection.send(body)?;
                }
                Ok(Packets::new(AnswerBody::new(self)))
            }
        }
    }

    /// Gives a command of version 2 of git's protocol, which needs no round before it; nothing where the way to the
    /// remote does not know it.
    pub(super) fn command(&mut self, body: Vec<u8>) -> Option<Result<Packets<'_>, GitFault>> {
        match &self.remote {
            Remote::Http(client) => {
                let client = Arc::clone(client);
                let version = Some("version=2");
                Some(self.post(&client, GitService::UploadPack, Purpose::Ask, version, body))
            }
            Remote::Ssh(_) => None,
        }
    }

    fn post(
        &mut self,
        client: &HttpClient,
        service: GitService,
        purpose: Purpose,
        version: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Packets<'_>, GitFault> {
        let name = service.name();
        let wanted = format!("application/x-{name}-result");
        let mut request = client
            .request(Method::POST, [name])
            .header("content-type", format!("application/x-{name}-request"))
            .header("accept", &wanted)
            .body(body);
        if let Some(version) = version {
            request = request.header("git-protocol", version);
        }
        self.open(client, purpose, request, &wanted)?;
        Ok(Packets::new(AnswerBody::new(self)))
    }
}
