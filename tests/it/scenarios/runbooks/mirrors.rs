//! Mirrors, as the API server takes them with the published schemas of the routes.

use serde_json::{Value, json};

use super::{Ran, Shop, finds};

impl Shop {
    /// Looks at a step that mirrors a part of the requests to `checkout-new`.
    fn mirrors(&self, route: &str, to: &str, percent: u8, code: i32) -> Ran {
        self.check(
            &format!(
                "name: back\nreturn:\n- name: a\n  route: {{{route}, mirror: {to}, percent: {percent}}}\n"
            ),
            code,
        )
    }

    /// Writes an object after a change.
    fn changes(&self, place: &str, change: impl Fn(&mut Value)) {
        let mut object = self.object(place);
        change(&mut object);
        let target = format!("/{}", place.replace("{}", &self.namespace.name));
        let written = self.cluster.admin("PUT", &target, &object);
        assert_eq!(written.status, 200, "{}", written.text());
    }
}

#[test]
fn a_route_of_the_gateway_api_mirrors_once_to_a_side() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.service("checkout-new");
    shop.route("checkout", &["checkout", "checkout-old"]);
    let (route, to) = ("httproute: checkout", "checkout-new");
    let mirror = "/spec/rules/0/filters/0/requestMirror";
    let ran = shop.mirrors(route, to, 10, 0);
    for change in [
        format!("{mirror}/percent from nothing to 10"),
        format!("{mirror}/backendRef/name from nothing to checkout-new"),
        format!("{mirror}/backendRef/port from nothing to 80"),
    ] {
        finds(&ran, "ok", "dry run", &change);
    }
    let ran = shop.mirrors(route, to, 0, 0);
    finds(&ran, "ok", "dry run", "it would change nothing today");
    // One that is there is changed, not joined by another.
    let place = "apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/checkout";
    shop.changes(place, |route| {
        route["spec"]["rules"][0]["filters"] = json!([{
            "type": "RequestMirror",
            "requestMirror": {"backendRef": {"name": to, "port": 80}, "fraction": {"numerator": 1, "denominator": 10}},
        }]);
    });
    let ran = shop.mirrors(route, to, 20, 0);
    finds(
        &ran,
        "ok",
        "dry run",
        &format!("{mirror}/percent from nothing to 20"),
    );
    finds(
        &ran,
        "ok",
        "dry run",
        &format!("{mirror}/fraction/numerator from 1 to nothing"),
    );
    let ran = shop.mirrors(route, to, 0, 0);
    finds(
        &ran,
        "ok",
        "dry run",
        &format!("{mirror}/backendRef/name from checkout-new to nothing"),
    );
    // Another side is mirrored to as well.
    shop.make(
        "api/v1/namespaces/{}/services",
        &json!({
            "metadata": {"name": "two"},
            "spec": {"selector": {"app": "two"}, "ports": [{"name": "a", "port": 81}, {"name": "b", "port": 82}]},
        }),
    );
    let ran = shop.mirrors(route, "two", 10, 2);
    finds(&ran, "problem", "route", "the Service has several ports");
    let ran = shop.mirrors(route, "nobody", 10, 2);
    finds(&ran, "problem", "object", "it is not there (404)");
}

#[test]
fn a_route_of_istio_has_one_mirror() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    let side = |subset: &str, weight: u8| json!({"destination": {"host": "checkout", "subset": subset}, "weight": weight});
    shop.make(
        "apis/networking.istio.io/v1/namespaces/{}/virtualservices",
        &json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "checkout"},
            "spec": {"http": [{"route": [side("stable", 100), side("canary", 0)]}, {"redirect": {"uri": "/"}}]},
        }),
    );
    let route = "virtualservice: checkout";
    let ran = shop.mirrors(route, "canary", 10, 0);
    for change in [
        "/spec/http/0/mirror/subset from nothing to canary",
        "/spec/http/0/mirror/host from nothing to checkout",
        "/spec/http/0/mirrorPercentage/value from nothing to 10",
    ] {
        finds(&ran, "ok", "dry run", change);
    }
    let ran = shop.mirrors(route, "checkout-new", 10, 0);
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/http/0/mirror/host from nothing to checkout-new",
    );
    let place = "apis/networking.istio.io/v1/namespaces/{}/virtualservices/checkout";
    shop.changes(place, |route| {
        route["spec"]["http"][0]["mirror"] = json!({"host": "checkout", "subset": "canary"});
        route["spec"]["http"][0]["mirrorPercent"] = json!(100);
    });
    let ran = shop.mirrors(route, "canary", 10, 0);
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/http/0/mirrorPercent from 100 to nothing",
    );
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/http/0/mirrorPercentage/value from nothing to 10",
    );
    let ran = shop.mirrors(route, "canary", 0, 0);
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/http/0/mirror/subset from canary to nothing",
    );
    finds(
        &ran,
        "ok",
        "dry run",
        "/spec/http/0/mirrorPercent from 100 to nothing",
    );
    let ran = shop.mirrors(route, "checkout-new", 10, 2);
    finds(&ran, "problem", "route", "a rule mirrors to another side");
    let ran = shop.mirrors(route, "checkout-new", 0, 0);
    finds(&ran, "ok", "dry run", "it would change nothing today");
    shop.changes(place, |route| {
        let rule = &mut route["spec"]["http"][0];
        rule["mirror"] = Value::Null;
        rule["mirrors"] = json!([{"destination": {"host": "checkout-new"}}]);
    });
    let ran = shop.mirrors(route, "canary", 10, 2);
    finds(&ran, "problem", "route", "a rule has mirrors, a list");
}

#[test]
fn a_service_of_traefik_mirrors_where_it_does_not_weigh() {
    let Some(shop) = Shop::new(&["get", "list", "patch"]) else {
        return;
    };
    shop.service("checkout-new");
    let place = "apis/traefik.io/v1alpha1/namespaces/{}/traefikservices";
    for (name, spec) in [
        (
            "weighted",
            json!({"weighted": {"services": [{"name": "checkout", "port": 80, "weight": 1}]}}),
        ),
        (
            "mirroring",
            json!({"mirroring": {"name": "checkout", "port": 80}}),
        ),
    ] {
        shop.make(
            place,
            &json!({"apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService", "metadata": {"name": name}, "spec": spec}),
        );
    }
    let ran = shop.mirrors("traefikservice: weighted", "checkout-new", 10, 2);
    finds(
        &ran,
        "problem",
        "route",
        "a TraefikService either weighs or mirrors",
    );
    let (route, to) = ("traefikservice: mirroring", "checkout-new");
    let ran = shop.mirrors(route, to, 10, 0);
    let percent = "/spec/mirroring/mirrors/0/percent from";
    finds(&ran, "ok", "dry run", &format!("{percent} nothing to 10"));
    shop.changes(&format!("{place}/mirroring"), |service| {
        service["spec"]["mirroring"]["mirrors"] = json!([{"name": to, "port": 80, "percent": 10}]);
    });
    let ran = shop.mirrors(route, to, 20, 0);
    finds(&ran, "ok", "dry run", &format!("{percent} 10 to 20"));
    let ran = shop.mirrors(route, to, 0, 0);
    finds(&ran, "ok", "dry run", &format!("{percent} 10 to nothing"));
}
