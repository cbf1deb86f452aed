//! What kernels tell of containers, as it was recorded, and where their freezers are.

use super::*;

const ID: &str = "5752b60505e73d5ad158c5390f88dc3e64a04ab2f587b3daad0ec088121e151a";
const OTHER: &str = "13400ec3e9596793423d2628bdeef2c6c012412fd2ec8f72cc5a20b00282257b";

const UNIFIED: &str = "\
22 1 254:2 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
31 22 0:27 / /mnt/cgroup2 rw - tmpfs none rw
";

const VERSION_1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:14 - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime shared:15 master:2 - cgroup cgroup rw,freezer
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
";

const HYBRID: &str = "\
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

fn found(cgroups: &str, mounts: &str) -> Vec<(Version, String)> {
    places(ID, &cgroups.replace("<id>", ID), mounts)
        .into_iter()
        .map(|place| {
            let directory = place.directory.display().to_string();
            (place.version, directory.replace(ID, "<id>"))
        })
        .collect()
}

#[track_caller]
fn one(cgroups: &str, mounts: &str, version: Version, directory: &str) {
    assert_eq!(found(cgroups, mounts), [(version, directory.to_owned())]);
}

#[test]
fn drivers_of_the_unified_hierarchy() {
    for (cgroup, directory) in [
        // Docker with the drivers systemd and cgroupfs.
        (
            "0::/system.slice/docker-<id>.scope",
            "system.slice/docker-<id>.scope",
        ),
        ("0::/docker/<id>", "docker/<id>"),
        // Processes below, such as those of an init in the container.
        ("0::/docker/<id>/init.scope", "docker/<id>"),
        // Podman, of the system and of a user.
        (
            "0::/machine.slice/libpod-<id>.scope/container",
            "machine.slice/libpod-<id>.scope",
        ),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<id>.scope/container",
            "user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<id>.scope",
        ),
    ] {
        let directory = format!("/sys/fs/cgroup/{directory}");
        one(cgroup, UNIFIED, Version::V2, &directory);
    }
}

#[test]
fn drivers_of_version_1() {
    let docker = "\
12:devices:/docker/<id>
11:freezer:/docker/<id>
4:memory:/docker/<id>
1:name=systemd:/docker/<id>
";
    let directory = "/sys/fs/cgroup/freezer/docker/<id>";
    one(docker, VERSION_1, Version::V1, directory);
    let systemd = "\
9:cpu,cpuacct:/system.slice/docker-<id>.scope
7:freezer:/system.slice/docker-<id>.scope
0::/system.slice/docker.service
";
    let directory = "/sys/fs/cgroup/freezer/system.slice/docker-<id>.scope";
    one(systemd, VERSION_1, Version::V1, directory);
    let podman = "6:freezer:/libpod_parent/libpod-<id>\n";
    let directory = "/sys/fs/cgroup/freezer/libpod_parent/libpod-<id>";
    one(podman, VERSION_1, Version::V1, directory);
    // Together with other controllers, and somewhere else.
    let mounts = "9 1 0:9 / /dev/freezer\\040of\\134all rw - cgroup none rw,devices,freezer\n";
    let directory = "/dev/freezer of\\all/docker/<id>";
    one(
        "2:devices,freezer:/docker/<id>",
        mounts,
        Version::V1,
        directory,
    );
}

#[test]
fn version_2_comes_first_where_there_are_both() {
    let cgroups = "6:freezer:/docker/<id>\n0::/docker/<id>\n";
    let found = found(cgroups, HYBRID);
    let expected = [
        (Version::V2, "/sys/fs/cgroup/unified/docker/<id>".to_owned()),
        (Version::V1, "/sys/fs/cgroup/freezer/docker/<id>".to_owned()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_mounted_need_not_be_the_whole_hierarchy() {
    // In a container that is given the engine's socket and the cgroups of the host's engine.
    let mounts = format!("30 22 0:26 /docker/{OTHER} /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    let inside = format!("0::/docker/{OTHER}/docker/<id>\n");
    one(&inside, &mounts, Version::V2, "/sys/fs/cgroup/docker/<id>");
    assert_eq!(found("0::/docker/<id>", &mounts), []);
    let itself = "30 22 0:26 /docker/<id> /own rw - cgroup2 cgroup rw\n".replace("<id>", ID);
    one("0::/docker/<id>", &itself, Version::V2, "/own/");
    // Not /docker/ab for /docker/a.
    let part = "30 22 0:26 /doc /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
    assert_eq!(found("0::/docker/<id>", part), []);
}

#[test]
fn what_is_not_the_containers_own_is_never_given() {
    for cgroups in [
        "",
        "0::/",
        "0::/docker",
        "0::/system.slice/sshd.service",
        "6:freezer:/\n0::/user.slice",
        // Another process has the number now, or another machine's has it.
        &format!("0::/docker/{OTHER}"),
        // Out of this namespace's sight.
        "0::/../../docker/<id>",
        "0::/../<id>",
        // Not the freezer.
        "4:memory:/docker/<id>",
        "nonsense",
        "0:<id>",
    ] {
        assert_eq!(found(cgroups, UNIFIED), [], "{cgroups}");
        assert_eq!(found(cgroups, HYBRID), [], "{cgroups}");
    }
    assert_eq!(found("0::/docker/<id>", VERSION_1), []);
    assert_eq!(found("0::/docker/<id>", "a b c - d e f\n\n"), []);
    for id in ["", "docker", "ab12", "x".repeat(64).as_str()] {
        let cgroups = format!("0::/docker/{id}");
        assert_eq!(places(id, &cgroups, UNIFIED), [], "{id}");
    }
}
