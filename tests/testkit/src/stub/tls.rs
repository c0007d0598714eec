//! A private certificate authority for loopback.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// A certificate authority that nobody else trusts.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a server needs to speak TLS.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

impl Authority {
    /// Creates a new authority.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "private test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("the parameters are valid");
        Self { issuer }
    }

    /// Returns the authority's certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Returns a server for `127.0.0.1` that takes every client.
    pub fn server(&self) -> ServerTls {
        self.server_for("127.0.0.1", None)
    }

    /// Returns a server whose certificate is for another host.
    pub fn server_for_another_host(&self) -> ServerTls {
        self.server_for("elsewhere.example", None)
    }

    /// Returns a server for `127.0.0.1` that takes only clients with a certificate of this authority.
    pub fn server_for_known_clients(&self) -> ServerTls {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.issuer.der().clone())
            .expect("our own certificate is valid");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .expect("there is a root");
        self.server_for("127.0.0.1", Some(verifier))
    }

    /// Returns a client's certificate and private key in PEM.
    pub fn client(&self) -> (String, String) {
        let (certificate, key) = self.issue("client", ExtendedKeyUsagePurpose::ClientAuth);
        (certificate.pem(), key.serialize_pem())
    }

    /// Returns the certificate and the private key of a server on `127.0.0.1` in PEM.
    pub fn server_pem(&self) -> (String, String) {
        let (certificate, key) = self.issue("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        (certificate.pem(), key.serialize_pem())
    }

    fn server_for(
        &self,
        host: &str,
        clients: Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>,
    ) -> ServerTls {
        let (certificate, key) = self.issue(host, ExtendedKeyUsagePurpose::ServerAuth);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions");
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("certificate and key belong together");
        ServerTls(Arc::new(config))
    }

    fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("the name is valid");
        params.extended_key_usages = vec![usage];
        let key = key();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("the authority may sign");
        (certificate, key)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerTls {
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has random numbers")
}
