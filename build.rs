//! Compiles proto/ without protoc.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "IM.BaseDefine",
        "IM.Buddy",
        "IM.File",
        "IM.Group",
        "IM.Login",
        "IM.Message",
        "IM.Other",
        "IM.Server",
        "IM.SwitchService",
    ]
    .map(|p| format!("proto/{p}.proto"));
    println!("cargo::rerun-if-changed=proto");
    let set = protox::compile(files, ["proto"])?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .include_file("im.rs")
        .compile_fds(set)?;
    Ok(())
}
