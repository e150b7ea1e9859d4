//! Finds libdiffulm by what pkg-config prints.
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    let output = match Command::new("pkg-config").args(["--libs", "diffulm >= 0.1"]).output() {
        Ok(output) => output,
        Err(error) => panic!("pkg-config cannot be run ({}); it is needed to find libdiffulm", error),
    };
    if !output.status.success() {
        panic!(
            "libdiffulm is not installed, or PKG_CONFIG_PATH does not name the folder of diffulm.pc: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    for flag in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={}", folder);
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={}", library);
        }
    }
}
