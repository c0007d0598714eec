//! What the Dockerfile says fits the manifests and the program. `scripts/check-image.sh` looks at what it builds.

use super::{at, pod, read};

fn dockerfile() -> String {
    read(&at("Dockerfile"))
}

#[test]
fn the_image_is_empty_but_for_what_one_folder_holds() {
    let text = dockerfile();
    let (_, last) = text.rsplit_once("\nFROM ").expect("it has stages");
    let mut lines = last.lines();
    assert_eq!(lines.next(), Some("scratch"));
    let copies: Vec<&str> = lines
        .clone()
        .filter(|line| line.starts_with("COPY") || line.starts_with("ADD"))
        .collect();
    assert_eq!(copies, ["COPY --from=build /root-of-image/ /"]);
    assert!(!lines.clone().any(|line| line.starts_with("RUN")));
    assert!(lines.any(|line| line == r#"ENTRYPOINT ["/error-budget-monitor"]"#));
}

#[test]
fn the_image_and_the_pods_name_the_same_user() {
    let context = &pod()["securityContext"];
    let user = format!(
        "\nUSER {}:{}\n",
        context["runAsUser"], context["runAsGroup"]
    );
    assert!(dockerfile().contains(&user), "{user}");
}

#[test]
fn the_image_is_built_by_the_oldest_rust_that_the_program_takes() {
    let image = concat!("rust:", env!("CARGO_PKG_RUST_VERSION"), "-slim-");
    assert!(dockerfile().contains(image), "{image}");
}
