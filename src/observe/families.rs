//! What each family of metrics is called: everything that differs between the families, in one table.

use crate::clients::prometheus::promql::{regex_escape, string_literal};
use crate::config::MetricsFamily;

/// What differs between families. A form is one naming with one way of naming the service and one side; forms are
/// tried in their order, and the first one that has series counts. Never two: they may hold the same requests.
pub(super) struct FamilyRow {
    /// How its metrics and their labels are called.
    pub(super) namings: &'static [Naming],
    /// How its labels name a service. A selector of the operator takes the place of all of them.
    pub(super) ways: &'static [Addressing],
    /// Who may have counted.
    pub(super) sides: &'static [Side],
    /// What a server that misreads an outcome writes, where one is known to.
    pub(super) doubt: Option<&'static LabelDoubt>,
}

/// How metrics and labels are called.
pub(super) struct Naming {
    /// Where the events are counted.
    pub(super) events: Counter,
    /// Name of the latency histogram, without `_bucket`.
    pub(super) latency: &'static str,
    /// Unit of the histogram's bounds.
    pub(super) unit: Unit,
    /// Labels that say how a request ended. A request counts that has one of them in a form that is known.
    pub(super) outcomes: &'static [OutcomeLabel],
    /// Labels that say where a request went, by which probes and scrapes are left out: no caller asked for them.
    pub(super) probed: &'static [&'static str],
    /// Matchers that leave out what else is no request of a caller, or lasts as long as it is open. May be empty.
    pub(super) leaves_out: &'static str,
    /// Whether labels have dots, so that a server that cannot read quoted names cannot hold them.
    pub(super) has_dots: bool,
}

/// A label that says how a request ended.
pub(super) struct OutcomeLabel {
    /// The label as a query writes it.
    pub(super) label: &'static str,
    /// Values whose meaning is known: an expression that is anchored at both ends.
    pub(super) known: &'static str,
    /// Values of a bad request.
    pub(super) bad: &'static str,
    /// A further matcher of the series that this label judges; may be empty.
    pub(super) only: &'static str,
}

/// Where events are counted.
#[derive(Clone, Copy)]
pub(super) enum Counter {
    /// A counter of this name.
    Named(&'static str),
    /// The latency histogram counts them: as `_count`, or inside the native histogram.
    Latency,
}

/// One way of naming a service.
pub(super) struct Addressing {
    /// The labels, and what they say of a service.
    pub(super) labels: Labels,
    /// Whether they go with labels that have dots.
    pub(super) dots: Dots,
}

/// Labels that name a service.
pub(super) enum Labels {
    /// One for its namespace and one for its own name.
    Apart {
        namespace: &'static str,
        service: &'static str,
    },
    /// One that holds both, and the matcher for it.
    Joined {
        label: &'static str,
        named: fn(&NamesAsLabels<'_>, label: &str) -> String,
    },
}

impl Addressing {
    /// Returns the matchers of a service.
    pub(super) fn named(&self, names: &NamesAsLabels<'_>) -> String {
        match self.labels {
            Labels::Apart { namespace, service } => names.in_namespace(namespace, service),
            Labels::Joined { label, named } => named(names, label),
        }
    }
}

const fn apart(namespace: &'static str, service: &'static str) -> Labels {
    Labels::Apart { namespace, service }
}

/// Whether matchers go with a naming whose labels have dots.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Dots {
    /// Only with one whose labels have none.
    Without,
    /// With either: these labels have the same names in both.
    Either,
    /// Only with one whose labels have dots: these have some too.
    With,
}

/// Who counted.
pub(super) struct Side {
    /// A matcher that belongs to every query of the family; may be empty. It keeps an event from counting at both ends.
    pub(super) matcher: &'static str,
    /// Whose pod the label `pod` names.
    pub(super) pod: Pod,
}

/// A value that some servers write for what is no failure of theirs. It is judged only where there is proof that the
/// server tells the two apart; elsewhere it counts as a value that is not known.
pub(super) struct LabelDoubt {
    /// A matcher of the events that are in doubt.
    pub(super) matcher: &'static str,
    /// A matcher of all others.
    pub(super) others: &'static str,
    /// A matcher of events that only a server counts that tells them apart.
    pub(super) proof: &'static str,
    /// What to say of it.
    pub(super) why: &'static str,
}

/// The unit of a histogram's bounds.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

impl Unit {
    /// Returns how many make a second.
    pub(super) fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1000.0,
        }
    }
}

/// Whose pod the label `pod` names.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pod {
    OfTheService,
    /// The edge counts for the service, so its pods say nothing about a release.
    OfTheEdge,
}

/// The name of a service, as labels are compared with it.
pub(super) struct NamesAsLabels<'a> {
    pub(super) namespace: &'a str,
    pub(super) service: &'a str,
    /// Whether Flagger serves it as `-primary` and `-canary` too.
    pub(super) has_primary: bool,
}

impl NamesAsLabels<'_> {
    /// Returns a matcher of a label that is the service's name behind a prefix.
    fn is(&self, label: &str, prefix: &str) -> String {
        let text = format!("{prefix}{}", self.service);
        if self.has_primary {
            let pattern = format!("{}{PRIMARY}", regex_escape(&text));
            format!("{label}=~{}", string_literal(&pattern))
        } else {
            format!("{label}={}", string_literal(&text))
        }
    }

    /// Returns an expression of the service's name, to be made part of a longer one.
    fn pattern(&self) -> String {
        let primary = if self.has_primary { PRIMARY } else { "" };
        format!("{}{primary}", regex_escape(self.service))
    }

    fn in_namespace(&self, namespace: &str, service: &str) -> String {
        format!(
            "{namespace}={},{}",
            string_literal(self.namespace),
            self.is(service, "")
        )
    }
}

/// What Flagger adds to the name of what it serves. Source: its documentation, "How it works".
const PRIMARY: &str = "(-primary|-canary)?";

/// Routes of probes and scrapes, whole paths: those of Kubernetes' own components, of Spring Boot's Actuator and of
/// the usual client libraries. `/health-records` is none of them, and neither is `/api/metrics`.
pub(super) const PROBES: &str = ".*/(healthz|livez|readyz|actuator/(health|prometheus|info|metrics))(/.*)?|\
                                 /(health|ready|metrics|health/(live|ready|startup|liveness|readiness)|-/(ready|healthy))/?";

/// `namespace` and `service`, as a scrape by a ServiceMonitor names them.
const BY_SERVICE: Addressing = Addressing {
    labels: apart("namespace", "service"),
    dots: Dots::Without,
};

/// The same where the exporter's own labels had to give way to those of the scrape: without `honorLabels`.
const BY_EXPORTED_SERVICE: Addressing = Addressing {
    labels: apart("exported_namespace", "exported_service"),
    dots: Dots::Without,
};

const NO_SIDE: &[Side] = &[Side {
    matcher: "",
    pod: Pod::OfTheService,
}];

const AT_THE_EDGE: &[Side] = &[Side {
    matcher: "",
    pod: Pod::OfTheEdge,
}];

/// A status, with or without its words; a class.
const STATUS: &str = "[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)";
const SERVER_ERROR: &str = "5[0-9][0-9]( .*)?|5(xx|XX)";

const fn status(label: &'static str) -> OutcomeLabel {
    OutcomeLabel {
        label,
        known: STATUS,
        bad: SERVER_ERROR,
        only: "",
    }
}

/// A status, or one of the words that stand for it.
const fn status_or_word(label: &'static str) -> OutcomeLabel {
    OutcomeLabel {
        label,
        known: "[1-5][0-9][0-9]( .*)?|[1-5](xx|XX)|(?i:ok|success|error|failure|failed)",
        bad: "5[0-9][0-9]( .*)?|5(xx|XX)|(?i:error|failure|failed)",
        only: "",
    }
}

const HTTP: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Named("http_requests_total"),
        latency: "http_request_duration_seconds",
        unit: Unit::Seconds,
        outcomes: &[
            status_or_word("status"),
            status_or_word("code"),
            status_or_word("status_code"),
            status_or_word("code_class"),
        ],
        probed: &["path", "handler", "route", "uri", "http_route"],
        leaves_out: "",
        has_dots: false,
    }],
    ways: &[BY_SERVICE],
    sides: NO_SIDE,
    doubt: None,
};

const ISTIO: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Named("istio_requests_total"),
        latency: "istio_request_duration_milliseconds",
        unit: Unit::Milliseconds,
        outcomes: &[
            OutcomeLabel {
                label: "response_code",
                // 0: the caller went away before there was a response.
                known: "[1-5][0-9][0-9]|0",
                bad: "5[0-9][0-9]",
                only: "",
            },
            // A failed gRPC call is a response with code 200.
            OutcomeLabel {
                label: "grpc_response_status",
                known: "[0-9]|1[0-6]",
                bad: GRPC_NUMBERS,
                only: "",
            },
        ],
        probed: &[],
        leaves_out: "",
        has_dots: false,
    }],
    ways: &[Addressing {
        labels: apart("destination_workload_namespace", "destination_workload"),
        dots: Dots::Without,
    }],
    sides: &[
        // Both ends of a request report it; only the destination's proxy runs in the service's pod.
        Side {
            matcher: r#"reporter="destination""#,
            pod: Pod::OfTheService,
        },
        // In ambient mode nobody but the waypoint in front of the service sees requests.
        Side {
            matcher: r#"reporter="waypoint""#,
            pod: Pod::OfTheEdge,
        },
    ],
    doubt: None,
};

const INGRESS_NGINX: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Named("nginx_ingress_controller_requests"),
        latency: "nginx_ingress_controller_request_duration_seconds",
        unit: Unit::Seconds,
        outcomes: &[status("status")],
        probed: &["path"],
        leaves_out: "",
        has_dots: false,
    }],
    ways: &[BY_SERVICE, BY_EXPORTED_SERVICE],
    sides: AT_THE_EDGE,
    doubt: None,
};

/// The name of a cluster in Envoy is namespace_service_port; no Kubernetes name has an underscore. Envoy Gateway
/// names it after the route, which is taken for the service's where it has its name.
fn in_envoy(names: &NamesAsLabels<'_>, label: &str) -> String {
    let (namespace, service) = (regex_escape(names.namespace), names.pattern());
    let cluster =
        format!("{namespace}_{service}_.+|(http|grpc)route/{namespace}/{service}/rule/.+");
    format!("{label}=~{}", string_literal(&cluster))
}

const ENVOY: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Named("envoy_cluster_upstream_rq_xx"),
        latency: "envoy_cluster_upstream_rq_time",
        unit: Unit::Milliseconds,
        outcomes: &[OutcomeLabel {
            label: "envoy_response_code_class",
            known: "[1-5]",
            bad: "5",
            only: "",
        }],
        probed: &[],
        leaves_out: "",
        has_dots: false,
    }],
    ways: &[Addressing {
        labels: Labels::Joined {
            label: "envoy_cluster_name",
            named: in_envoy,
        },
        dots: Dots::Without,
    }],
    sides: AT_THE_EDGE,
    doubt: None,
};

const LINKERD: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Named("response_total"),
        latency: "response_latency_ms",
        unit: Unit::Milliseconds,
        outcomes: &[OutcomeLabel {
            label: "classification",
            known: "success|failure",
            bad: "failure",
            only: "",
        }],
        // What the proxy lets through because the kubelet probes.
        probed: &[],
        leaves_out: r#"route_name!="probe""#,
        has_dots: false,
    }],
    ways: &[Addressing {
        labels: apart("namespace", "deployment"),
        dots: Dots::Without,
    }],
    // Outbound responses are those of the services that this one calls.
    sides: &[Side {
        matcher: r#"direction="inbound""#,
        pod: Pod::OfTheService,
    }],
    doubt: None,
};

/// The name of a service in Traefik: namespace-service-port@kubernetes, that of an IngressRoute
/// namespace-route-hash@kubernetescrd, that of a HTTPRoute ends with -svc-namespace-service-port@kubernetesgateway
/// behind a hash of 20 digits, that of the provider for ingress-nginx is namespace-ingress-service-port. A port with
/// a dash would be the name of another service with a port, and an Ingress of another name could hide another
/// service: to count another service is worse than to count none. Source: Traefik's providers, version 3.6.
fn in_traefik(names: &NamesAsLabels<'_>, label: &str) -> String {
    let (namespace, service) = (regex_escape(names.namespace), names.pattern());
    let own = format!("{namespace}-{service}");
    let plain = regex_escape(names.service);
    let name = format!(
        "{own}-[^-]+@kubernetes(crd|gateway)?|httproute-.+-[0-9a-f]{{20}}-svc-{own}-[0-9]+@kubernetesgateway|\
         {namespace}-{plain}-{service}-[^-]+@kubernetesingressnginx"
    );
    format!("{label}=~{}", string_literal(&name))
}

const TRAEFIK: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Named("traefik_service_requests_total"),
        latency: "traefik_service_request_duration_seconds",
        unit: Unit::Seconds,
        outcomes: &[OutcomeLabel {
            label: "code",
            // The number of a gRPC status where the request was gRPC.
            known: "[1-5][0-9][0-9]|[0-9]|1[0-6]",
            bad: "5[0-9][0-9]|2|4|12|13|14|15",
            only: "",
        }],
        probed: &[],
        leaves_out: "",
        has_dots: false,
    }],
    ways: &[
        Addressing {
            labels: Labels::Joined {
                label: "service",
                named: in_traefik,
            },
            dots: Dots::Without,
        },
        Addressing {
            labels: Labels::Joined {
                label: "exported_service",
                named: in_traefik,
            },
            dots: Dots::Without,
        },
    ],
    sides: AT_THE_EDGE,
    doubt: None,
};

/// Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable and DataLoss: what the server is to blame for.
const GRPC_NUMBERS: &str = "2|4|12|13|14|15";

const GRPC: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Named("grpc_server_handled_total"),
        latency: "grpc_server_handling_seconds",
        unit: Unit::Seconds,
        outcomes: &[OutcomeLabel {
            label: "grpc_code",
            known: "OK|Canceled|Unknown|InvalidArgument|DeadlineExceeded|NotFound|AlreadyExists|PermissionDenied|\
                    ResourceExhausted|FailedPrecondition|Aborted|OutOfRange|Unimplemented|Internal|Unavailable|DataLoss|\
                    Unauthenticated",
            // What the server is to blame for. Every other code but OK is the caller's doing, or a limit that works.
            bad: "Unknown|DeadlineExceeded|Internal|Unavailable|DataLoss|Unimplemented",
            only: "",
        }],
        // A stream takes as long as it is open, and ends with Unavailable when a pod goes.
        probed: &[],
        leaves_out: r#"grpc_type!~".+_stream",grpc_service!="grpc.health.v1.Health""#,
        has_dots: false,
    }],
    ways: &[BY_SERVICE],
    sides: NO_SIDE,
    doubt: Some(&LabelDoubt {
        matcher: r#"grpc_code="Unknown""#,
        others: r#"grpc_code!="Unknown""#,
        proof: r#"grpc_code="Canceled""#,
        why: "go-grpc-prometheus 1.2 writes Unknown also for calls that the caller cancelled, and no call of the last 6 \
              hours ended with Canceled: use the interceptor of go-grpc-middleware 2, or leave Unknown out with an \
              SLI_SELECTOR that ends with grpc_code!=\"Unknown\"",
    }),
};

/// What Prometheus makes of a resource of OpenTelemetry.
fn in_job(names: &NamesAsLabels<'_>, label: &str) -> String {
    names.is(label, &format!("{}/", names.namespace))
}

const OTEL: FamilyRow = FamilyRow {
    namings: &[
        Naming {
            events: Counter::Latency,
            latency: "http_server_request_duration_seconds",
            unit: Unit::Seconds,
            outcomes: &[
                OutcomeLabel {
                    label: "http_response_status_code",
                    known: "[1-5][0-9][0-9]",
                    bad: "5[0-9][0-9]",
                    only: "",
                },
                // A request that got no response has no status, only the type of its error.
                OutcomeLabel {
                    label: "error_type",
                    known: ".+",
                    bad: ".+",
                    only: r#"http_response_status_code!~"[1-5][0-9][0-9]""#,
                },
            ],
            probed: &["http_route"],
            leaves_out: "",
            has_dots: false,
        },
        // The names of OpenTelemetry with their dots, with and without the unit.
        dotted("http.server.request.duration_seconds"),
        dotted("http.server.request.duration"),
    ],
    ways: &[
        BY_SERVICE,
        // What Prometheus 3 makes of the resource by default, and a collector that exports to it.
        Addressing {
            labels: Labels::Joined {
                label: "job",
                named: in_job,
            },
            dots: Dots::Either,
        },
        Addressing {
            labels: apart("service_namespace", "service_name"),
            dots: Dots::Without,
        },
        Addressing {
            labels: apart("k8s_namespace_name", "service_name"),
            dots: Dots::Without,
        },
        // A collector that is scraped without honorLabels.
        Addressing {
            labels: Labels::Joined {
                label: "exported_job",
                named: in_job,
            },
            dots: Dots::Without,
        },
        Addressing {
            labels: apart(r#""service.namespace""#, r#""service.name""#),
            dots: Dots::With,
        },
    ],
    sides: NO_SIDE,
    doubt: None,
};

const fn dotted(latency: &'static str) -> Naming {
    Naming {
        events: Counter::Latency,
        latency,
        unit: Unit::Seconds,
        outcomes: &[
            OutcomeLabel {
                label: r#""http.response.status_code""#,
                known: "[1-5][0-9][0-9]",
                bad: "5[0-9][0-9]",
                only: "",
            },
            OutcomeLabel {
                label: r#""error.type""#,
                known: ".+",
                bad: ".+",
                only: r#""http.response.status_code"!~"[1-5][0-9][0-9]""#,
            },
        ],
        probed: &[r#""http.route""#],
        leaves_out: "",
        has_dots: true,
    }
}

const SPRING: FamilyRow = FamilyRow {
    namings: &[Naming {
        events: Counter::Latency,
        latency: "http_server_requests_seconds",
        unit: Unit::Seconds,
        outcomes: &[
            OutcomeLabel {
                label: "status",
                // UNKNOWN: the caller went away before there was a response.
                known: "[1-5][0-9][0-9]|UNKNOWN",
                bad: "5[0-9][0-9]",
                only: "",
            },
            OutcomeLabel {
                label: "outcome",
                known: "INFORMATIONAL|SUCCESS|REDIRECTION|CLIENT_ERROR|SERVER_ERROR|UNKNOWN",
                bad: "SERVER_ERROR",
                only: "",
            },
        ],
        probed: &["uri"],
        leaves_out: "",
        has_dots: false,
    }],
    ways: &[BY_SERVICE],
    sides: NO_SIDE,
    doubt: None,
};

/// Returns the row of a family.
pub(super) fn table(family: MetricsFamily) -> &'static FamilyRow {
    match family {
        MetricsFamily::Http => &HTTP,
        MetricsFamily::Istio => &ISTIO,
        MetricsFamily::IngressNginx => &INGRESS_NGINX,
        MetricsFamily::Envoy => &ENVOY,
        MetricsFamily::Linkerd => &LINKERD,
        MetricsFamily::Traefik => &TRAEFIK,
        MetricsFamily::Grpc => &GRPC,
        MetricsFamily::Otel => &OTEL,
        MetricsFamily::Spring => &SPRING,
    }
}
