//! A real API server of Kubernetes with its etcd, and what may stand between it and the program.
//!
//! `scripts/lib/servers.sh` builds the API server and the controller manager as one program; etcd is Debian's. Rights
//! are checked as in a cluster: the program signs in as [`MONITOR`], who may do nothing but what a test grants.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Answer, answer};
use crate::process::Guarded;
use crate::servers;
use crate::stub::{Authority, Reply, Request, Stub};

/// The user whom the program signs in as.
pub const MONITOR: &str = "monitor";

/// The token of [`MONITOR`].
pub const TOKEN: &str = "token-of-the-monitor-in-kubernetes";

/// The token of whoever sets the scene.
const ADMIN: &str = "token-of-the-cluster-admin";

/// Protects a test from an API server that never gets ready.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Protects a test from one that does not answer.
const SILENCE: Duration = Duration::from_secs(30);

/// How often it is started again, where another process took its port.
const TRIES: u32 = 3;

/// The API server that all tests of a process share; each has a namespace of its own. Nothing where it is not built.
static SHARED: LazyLock<Option<Cluster>> = LazyLock::new(Cluster::start);

/// A running API server; stopped on drop.
#[derive(Debug)]
pub struct Cluster {
    // Fields are dropped in this order: the processes must end before their folder goes.
    _server: Guarded,
    _etcd: Guarded,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    folder: TempDir,
    namespaces: AtomicUsize,
}

/// A namespace with what it takes to reach it.
#[derive(Debug, Clone)]
pub struct Namespace {
    cluster: &'static Cluster,
    /// Its name.
    pub name: String,
}

/// Returns the API server that all tests share; nothing, and a word on standard error, where it is not built.
///
/// # Panics
/// If it does not start, or is not built although `CI` is `true`.
pub fn shared_cluster() -> Option<&'static Cluster> {
    SHARED.as_ref()
}

/// The CustomResourceDefinitions that steps of a runbook name, by the server of the list that has them, the file and the
/// plural of the kind.
const PUBLISHED: [(&str, &str, &str); 5] = [
    (
        "gateway-api",
        "gateway.networking.k8s.io_httproutes.yaml",
        "httproutes",
    ),
    (
        "istio-api",
        "customresourcedefinitions.gen.yaml",
        "virtualservices",
    ),
    ("flagger", "crd.yaml", "canaries"),
    (
        "traefik",
        "traefik.io_traefikservices.yaml",
        "traefikservices",
    ),
    ("keda", "keda.sh_scaledobjects.yaml", "scaledobjects"),
];

/// Returns the files with the kinds of the Gateway API, Istio, Flagger, Traefik and KEDA as they are published, each with
/// the plural of the kind that is meant; nothing where they were not fetched.
///
/// # Panics
/// If one is missing and `CI` is `true`, or cannot be read.
pub fn published_kinds() -> Option<Vec<(String, &'static str)>> {
    let files = PUBLISHED.iter().map(|(server, file, plural)| {
        let path = servers::built(server, file)?;
        Some((fs::read_to_string(path).expect("it is text"), *plural))
    });
    files.collect()
}

impl Cluster {
    fn start() -> Option<Self> {
        let program = servers::built("kubernetes", "kubernetes")?;
        let mut failures = Vec::new();
        for _ in 0..TRIES {
            match Self::launch(&program) {
                Ok(cluster) => return Some(cluster),
                Err(failure) => failures.push(failure),
            }
        }
        panic!("the API server did not get ready: {failures:#?}");
    }

    fn launch(program: &Path) -> Result<Self, String> {
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("testkit-kubernetes-");
        // What it remembers ends with the tests: it need not reach a disk.
        let folder = builder
            .tempdir_in("/dev/shm")
            .or_else(|_| builder.tempdir());
        let folder = folder.expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let authority = Authority::new();
        let (certificate, key) = authority.server_pem();
        let (account, account_key) = authority.client();
        let users = format!("{ADMIN},admin,1,\"system:masters\"\n{TOKEN},{MONITOR},2\n");
        for (name, content) in [
            ("ca.pem", authority.pem()),
            ("server.pem", certificate),
            ("server.key", key),
            ("account.pem", account),
            ("account.key", account_key),
            ("users.csv", users),
        ] {
            fs::write(path(name), content).expect("our own folder");
        }
        let [client, peer, secure] = free_ports();
        let log = |name: &str| {
            let file = fs::File::create(path(name)).expect("our own folder");
            Stdio::from(file)
        };
        let etcd_url = format!("http://{client}");
        let etcd = Guarded::spawn(
            Command::new("etcd")
                .arg("--data-dir")
                .arg(path("etcd"))
                .args([
                    "--listen-client-urls",
                    &etcd_url,
                    "--advertise-client-urls",
                    &etcd_url,
                ])
                .args([
                    "--listen-peer-urls",
                    &format!("http://{peer}"),
                    "--initial-advertise-peer-urls",
                    &format!("http://{peer}"),
                ])
                .args(["--initial-cluster", &format!("default=http://{peer}")])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log("etcd.log")),
            folder.path(),
        );
        let file = |flag: &str, name: &str| format!("--{flag}={}", path(name).display());
        let mut server = Guarded::spawn(
            Command::new(program)
                .arg("kube-apiserver")
                .arg(format!("--etcd-servers={etcd_url}"))
                .arg("--bind-address=127.0.0.1")
                .arg("--advertise-address=127.0.0.1")
                .arg(format!("--secure-port={}", secure.port()))
                .arg(file("tls-cert-file", "server.pem"))
                .arg(file("tls-private-key-file", "server.key"))
                .arg(file("token-auth-file", "users.csv"))
                .arg(file("service-account-key-file", "account.pem"))
                .arg(file("service-account-signing-key-file", "account.key"))
                .arg("--service-account-issuer=https://kubernetes.default.svc")
                .arg("--authorization-mode=RBAC")
                .arg("--disable-admission-plugins=ServiceAccount")
                .arg("--endpoint-reconciler-type=none")
                .arg("--service-cluster-ip-range=10.0.0.0/24")
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log("server.log")),
            folder.path(),
        );
        let cluster = |server, etcd| Self {
            _server: server,
            _etcd: etcd,
            address: secure,
            tls: trusting(&authority.pem()),
            folder,
            namespaces: AtomicUsize::new(0),
        };
        let started = Instant::now();
        let tls = trusting(&authority.pem());
        while started.elapsed() < START_LIMIT {
            if server.ended().is_some() {
                break;
            }
            let ready = send(
                secure,
                &tls,
                "GET",
                "/readyz",
                ADMIN,
                "application/json",
                b"",
            );
            if ready.is_ok_and(|answer| answer.status == 200) {
                return Ok(cluster(server, etcd));
            }
            thread::sleep(Duration::from_millis(100));
        }
        let said = fs::read_to_string(path_of(&cluster(server, etcd), "server.log"));
        let said = said.unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(10).collect();
        Err(last.join("\n"))
    }

    /// Makes a namespace in which the program may do nothing.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn namespace(&'static self) -> Namespace {
        let number = self.namespaces.fetch_add(1, Ordering::SeqCst);
        let name = format!("monitors-{number}");
        let made = self.admin(
            "POST",
            "/api/v1/namespaces",
            &json!({"metadata": {"name": name}}),
        );
        assert_eq!(made.status, 201, "{}", made.text());
        Namespace {
            cluster: self,
            name,
        }
    }

    /// Sends a request as one who may do everything.
    ///
    /// # Panics
    /// If the API server does not answer.
    pub fn admin(&self, method: &str, target: &str, body: &Value) -> Answer {
        let body = match body.is_null() {
            true => Vec::new(),
            false => body.to_string().into_bytes(),
        };
        send(
            self.address,
            &self.tls,
            method,
            target,
            ADMIN,
            "application/json",
            &body,
        )
        .expect("the API server answers")
    }

    /// Passes a request of the program on.
    ///
    /// # Errors
    /// Fails where the API server does not answer.
    pub fn pass_on(&self, request: &Request) -> io::Result<Reply> {
        let kind = request.header("content-type").unwrap_or("application/json");
        let answer = send(
            self.address,
            &self.tls,
            &request.method,
            &request.target,
            TOKEN,
            kind,
            &request.body,
        )?;
        let kind = answer.header("content-type").to_owned();
        Ok(Reply::untyped(answer.status, answer.body).with_header("Content-Type", &kind))
    }
}

fn path_of(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.folder.path().join(name)
}

impl Namespace {
    /// Writes the file that leads the program here, and returns its path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn kubeconfig(&self, folder: &Path) -> PathBuf {
        let server = format!("https://{}", self.cluster.address);
        self.kubeconfig_for(folder, &server)
    }

    /// The same with another server in between.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn kubeconfig_for(&self, folder: &Path, server: &str) -> PathBuf {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": {
                "server": server,
                "certificate-authority": path_of(self.cluster, "ca.pem"),
            }}],
            "users": [{"name": MONITOR, "user": {"token": TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": MONITOR, "namespace": self.name}}],
            "current-context": "tests",
        });
        let path = folder.join("kubeconfig");
        // JSON is YAML.
        fs::write(&path, config.to_string()).expect("the folder of the test");
        path
    }

    /// Grants the rules of a Role to the program in this namespace.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn grants(&self, role: &Value) {
        let group = format!(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{}",
            self.name
        );
        let made = self.cluster.admin("POST", &format!("{group}/roles"), role);
        assert_eq!(made.status, 201, "{}", made.text());
        let name = role["metadata"]["name"].clone();
        let binding = json!({
            "metadata": {"name": name},
            "subjects": [{"kind": "User", "name": MONITOR, "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"},
        });
        let made = self
            .cluster
            .admin("POST", &format!("{group}/rolebindings"), &binding);
        assert_eq!(made.status, 201, "{}", made.text());
    }

    /// Returns the ConfigMaps, but for the one that every namespace has.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn config_maps(&self) -> Vec<Value> {
        self.items("configmaps")
            .into_iter()
            .filter(|map| map["metadata"]["name"] != "kube-root-ca.crt")
            .collect()
    }

    /// Returns the Leases.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn leases(&self) -> Vec<Value> {
        self.items("leases")
    }

    fn items(&self, kind: &str) -> Vec<Value> {
        let listed = self
            .cluster
            .admin("GET", &self.target(kind, ""), &Value::Null);
        assert_eq!(listed.status, 200, "{}", listed.text());
        listed.json()["items"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    /// Writes an object over what is there, or makes it.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn put(&self, kind: &str, object: &Value) {
        let name = object["metadata"]["name"].as_str().expect("it has a name");
        let written = self.cluster.admin("PUT", &self.target(kind, name), object);
        let written = match written.status {
            404 => self.cluster.admin("POST", &self.target(kind, ""), object),
            _ => written,
        };
        assert!(written.status < 300, "{}", written.text());
    }

    /// Deletes an object.
    ///
    /// # Panics
    /// If the API server refuses.
    pub fn delete(&self, kind: &str, name: &str) {
        let gone = self
            .cluster
            .admin("DELETE", &self.target(kind, name), &Value::Null);
        assert_eq!(gone.status, 200, "{}", gone.text());
    }

    /// Gives every Lease back, as a person does who knows that its holder is dead.
    pub fn frees_leases(&self) {
        for mut lease in self.leases() {
            lease["spec"]["holderIdentity"] = Value::Null;
            self.put("leases", &lease);
        }
    }

    /// Returns a server that passes on what the script lets through: its answer counts, else that of the API server.
    pub fn behind(
        &self,
        script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Stub {
        let cluster = self.cluster;
        Stub::http(move |request| match script(request) {
            Some(reply) => Some(reply),
            None => Some(cluster.pass_on(request).unwrap_or_else(|_| Reply::hangup())),
        })
    }

    /// Passes a request on, for a script that changes the answer, or keeps it.
    ///
    /// # Errors
    /// Fails where the API server does not answer.
    pub fn pass_on(&self, request: &Request) -> io::Result<Reply> {
        self.cluster.pass_on(request)
    }

    fn target(&self, kind: &str, name: &str) -> String {
        let group = match kind {
            "leases" => "/apis/coordination.k8s.io/v1",
            "cronjobs" | "jobs" => "/apis/batch/v1",
            _ => "/api/v1",
        };
        let slash = if name.is_empty() { "" } else { "/" };
        format!("{group}/namespaces/{}/{kind}{slash}{name}", self.name)
    }
}

/// Finds ports that are free now. All are taken before any is given back, so that they differ.
fn free_ports<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let taken = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    taken.map(|listener| listener.local_addr().expect("a bound port"))
}

fn trusting(pem: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("our own certificate");
    roots.add(certificate).expect("our own certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn send(
    address: SocketAddr,
    tls: &Arc<ClientConfig>,
    method: &str,
    target: &str,
    token: &str,
    kind: &str,
    body: &[u8],
) -> io::Result<Answer> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(SILENCE))?;
    let name = ServerName::from(address.ip());
    let connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Accept: application/json\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)?;
    stream.flush()?;
    answer(Closing(stream))
}

/// A stream whose end without a farewell is an end all the same: the length of the answer is checked.
struct Closing(StreamOwned<ClientConnection, TcpStream>);

impl Read for Closing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }
}
