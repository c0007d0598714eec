//! The sources of a module, read and parsed.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item};

pub(super) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns the files of a module by their paths as modules, those left out that are for tests only.
///
/// # Panics
/// If it finds none: then it would check nothing.
pub(super) fn files_of(module: &str) -> Vec<(Vec<String>, syn::File)> {
    let source = source();
    let mut files = Vec::new();
    let single = source.join(module).with_extension("rs");
    if single.is_file() {
        files.push(single);
    }
    collect(&source.join(module), &mut files);
    assert!(!files.is_empty(), "src/{module} holds no source");

    let parsed: Vec<(PathBuf, syn::File)> = files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable source");
            let file = syn::parse_file(&text).expect("a source that compiles");
            (path, file)
        })
        .collect();
    let only_tests: Vec<PathBuf> = parsed
        .iter()
        .flat_map(|(path, file)| test_modules(path, file))
        .collect();
    let checked = parsed.into_iter().filter(|(path, _)| {
        let stem = path.with_extension("");
        !only_tests.iter().any(|module| stem.starts_with(module))
    });
    let checked: Vec<(Vec<String>, syn::File)> = checked
        .map(|(path, file)| {
            let inside = path.strip_prefix(&source).expect("a file of src");
            (module_path(inside), file)
        })
        .collect();
    assert!(!checked.is_empty(), "src/{module} holds nothing but tests");
    checked
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Returns the files, without extension, of the modules that a file declares for tests only.
fn test_modules(path: &Path, file: &syn::File) -> Vec<PathBuf> {
    let folder = if path.file_stem().is_some_and(|stem| stem == "mod") {
        path.parent().expect("a file in a folder").to_owned()
    } else {
        path.with_extension("")
    };
    let declared = file.items.iter().filter_map(|item| {
        let Item::Mod(module) = item else {
            return None;
        };
        let is_elsewhere = module.content.is_none();
        (is_elsewhere && is_for_tests(&module.attrs)).then(|| folder.join(module.ident.to_string()))
    });
    declared.collect()
}

/// Returns `["policy", "gates", "limits"]` for `policy/gates/limits.rs`.
fn module_path(file: &Path) -> Vec<String> {
    let stem = file.with_extension("");
    let mut parts: Vec<String> = stem
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|flag| flag == "test")
    })
}
