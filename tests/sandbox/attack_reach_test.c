// SPDX-License-Identifier: MIT
// What must hold: nothing in a box reaches the init, the kernel's settings, devices, mounts, other
// namespaces, the host's network, or files that are not its own; and the host is afterwards what it
// was before. attacks/README.md names the row of the table behind each.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sandbox/attacks.h"

// What each attempt may give. More than one word where kernels, or root's boxes and an ordinary
// user's, refuse in different ways.
static const struct attack_row peer_init[] = {{"read_mem", "EACCES EPERM EROFS ENOENT"},
        {"read_environ", "EACCES EPERM EROFS ENOENT"}, {"read_maps", "EACCES EPERM EROFS ENOENT"},
        {"read_smaps", "EACCES EPERM EROFS ENOENT"}, {"read_auxv", "EACCES EPERM EROFS ENOENT"},
        {"read_stack", "EACCES EPERM EROFS ENOENT"}, {"read_syscall", "EACCES EPERM EROFS ENOENT"},
        {"read_io", "EACCES EPERM EROFS ENOENT"}, {"read_pagemap", "EACCES EPERM EROFS ENOENT"},
        {"read_mountinfo", "done"}, {"read_fd/0", "EACCES EPERM EROFS ENOENT"},
        {"read_fd/3", "EACCES EPERM EROFS ENOENT"}, {"read_root/etc", "EACCES EPERM EROFS ENOENT"},
        {"read_cwd/etc", "EACCES EPERM EROFS ENOENT"}, {"read_exe", "EACCES EPERM EROFS ENOENT"},
        {"read_ns/net", "EACCES EPERM EROFS ENOENT"}, {"read_ns/user", "EACCES EPERM EROFS ENOENT"},
        {"read_map_files", "EACCES EPERM EROFS ENOENT"},
        {"read_task/1/mem", "EACCES EPERM EROFS ENOENT"},
        {"read_personality", "EACCES EPERM EROFS ENOENT"},
        {"read_timerslack_ns", "EACCES EPERM EROFS ENOENT"},
        {"write_mem", "EACCES EPERM EROFS ENOENT"},
        {"write_clear_refs", "EACCES EPERM EROFS ENOENT"},
        {"write_oom_score_adj", "EACCES EPERM EROFS ENOENT"},
        {"write_comm", "EACCES EPERM EROFS ENOENT"},
        {"write_coredump_filter", "EACCES EPERM EROFS ENOENT"},
        {"write_uid_map", "EACCES EPERM EROFS ENOENT"},
        {"write_gid_map", "EACCES EPERM EROFS ENOENT"},
        {"write_setgroups", "EACCES EPERM EROFS ENOENT"},
        {"write_attr/current", "EACCES EPERM EROFS ENOENT"},
        {"write_autogroup", "EACCES EPERM EROFS ENOENT"},
        {"write_timens_offsets", "EACCES EPERM EROFS ENOENT"},
        {"write_sched", "EACCES EPERM EROFS ENOENT"}, {"write_exe", "EACCES EPERM EROFS ENOENT"},
        {"write_task/1/comm", "EACCES EPERM EROFS ENOENT"}, {"ptrace_attach", "EPERM"},
        {"ptrace_seize", "EPERM"}, {"ptrace_traceme", "EPERM"}, {"vm_read", "EPERM"},
        {"vm_write", "EPERM"}, {"prlimit_cpu", "EPERM"}, {"prlimit_nofile", "EPERM"},
        {"prlimit_read", "EPERM"}, {"sched_setaffinity", "EPERM"}, {"sched_setscheduler", "EPERM"},
        {"sched_setparam", "EPERM"}, {"setpriority", "EPERM"}, {"setpriority_user", "EPERM"},
        {"ioprio_set", "EPERM"}, {"migrate_pages", "EPERM"}, {"move_pages", "EPERM"},
        {"robust_list", "EPERM"}, {"perf_event", "EPERM"}, {"kcmp", "EPERM"},
        {"core_cookie", "EINVAL EPERM ENODEV ESRCH EACCES"}, {"setpgid", "ESRCH EPERM EINVAL"},
        {"pidfd_open", "done"}, {"pidfd_getfd", "EPERM"}, {"pidfd_kill", "EPERM done"},
        {"pidfd_wait", "ECHILD"}, {"pidfd_setns", "EPERM"}, {"pidfd_madvise", "EPERM"},
        {"pidfd_mrelease", "EPERM"}, {"pidfd_namespace_1", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_2", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_3", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_4", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_5", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_6", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_7", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_8", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_9", "EACCES EPERM ENOTTY EINVAL"},
        {"pidfd_namespace_10", "EACCES EPERM ENOTTY EINVAL"}};

static const struct attack_row peer_exe[] = {
        {"/proc/self/exe", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"again", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"/proc/1/exe", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"again", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"/payloads/peer", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"again", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"/usr/bin/true", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"again", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"/proc/self/task/1/exe", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"again", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"/proc/self/map_files", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"},
        {"again", "EACCES EROFS ETXTBSY ENOENT EISDIR EPERM"}};

static const struct attack_row peer_signals[] = {{"tgkill", "EPERM done"}, {"stop", "EPERM done"},
        {"parent", "EPERM done"}, {"everyone", "ESRCH EPERM"}, {"alive", "EPERM done"}};

static const struct attack_row peer_flood[] = {
        {"forged", "EPERM done"}, {"queue", "bounded"}, {"wait", "done"}};

static const struct attack_row system_sysctl[] = {
        {"/proc/sys/kernel/core_pattern", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/kernel/modprobe", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/kernel/hotplug", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/kernel/hostname", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/kernel/domainname", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/kernel/ns_last_pid", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/kernel/shmmax", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/kernel/keys/maxkeys", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/vm/drop_caches", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/vm/nr_hugepages", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/fs/binfmt_misc/register", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/fs/suid_dumpable", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/net/ipv4/ip_forward", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/net/core/somaxconn", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sys/user/max_user_namespaces", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/sysrq-trigger", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/irq/default_smp_affinity", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/bus/pci/devices", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/fs/ext4", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/mtrr", "EACCES EPERM EROFS ENOENT EISDIR"}, {"/proc/kcore", "done ENOENT EACCES"},
        {"/proc/kmsg", "done ENOENT EACCES"}, {"/proc/kallsyms", "done ENOENT EACCES"},
        {"/proc/keys", "done ENOENT EACCES"}, {"/proc/key-users", "done ENOENT EACCES"},
        {"/proc/timer_list", "done ENOENT EACCES"}, {"/proc/sched_debug", "done ENOENT EACCES"},
        {"/proc/kpageflags", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/kpagecount", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/vmallocinfo", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/slabinfo", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/pressure/memory", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/pressure/cpu", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/pressure/io", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/self/uid_map", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/self/gid_map", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/self/setgroups", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/proc/self/projid_map", "EINVAL EPERM EACCES ENOENT"},
        {"/proc/self/loginuid", "EINVAL EPERM EACCES ENOENT"},
        {"/sys/kernel/uevent_helper", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/sys/kernel/mm/ksm/run", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/sys/fs/cgroup/cgroup.procs", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/sys/fs/cgroup/release_agent", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/sys/power/state", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/sys/kernel/debug/tracing/trace", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/sys/fs/selinux/enforce", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"/sys/kernel/security/apparmor/.remove", "EACCES EPERM EROFS ENOENT EISDIR"},
        {"unlink_mask", "EPERM EBUSY EROFS ENOENT EXDEV"},
        {"rename_mask", "EPERM EBUSY EROFS ENOENT EXDEV"}, {"umount_mask", "EPERM"},
        {"umount_sys", "EPERM"}, {"keys_by_root", "empty"}, {"kcore_by_task", "empty"}};

static const struct attack_row system_mounts[] = {{"mount_tmpfs", "EPERM"}, {"mount_proc", "EPERM"},
        {"mount_bind", "EPERM"}, {"mount_remount", "EPERM"}, {"mount_shared", "EPERM"},
        {"mount_overlay", "EPERM"}, {"mount_move", "EPERM"}, {"umount", "EPERM"},
        {"umount_root", "EPERM"}, {"pivot_root", "EPERM"}, {"chroot", "EPERM"}, {"fsopen", "EPERM"},
        {"fspick", "EPERM"}, {"fsconfig", "EPERM"}, {"fsmount", "EPERM"}, {"open_tree", "EPERM"},
        {"open_tree_clone", "EPERM"}, {"open_tree_attr", "ENOSYS EPERM"}, {"move_mount", "EPERM"},
        {"mount_setattr", "EPERM"}, {"quotactl_fd", "EPERM"},
        {"listmount", "ENOSYS EPERM EINVAL few"}};

static const struct attack_row system_namespaces[] = {{"unshare_newns", "EPERM"},
        {"clone_newns", "EPERM"}, {"clone_newns_high", "EPERM"}, {"unshare_newcgroup", "EPERM"},
        {"clone_newcgroup", "EPERM"}, {"clone_newcgroup_high", "EPERM"},
        {"unshare_newuts", "EPERM"}, {"clone_newuts", "EPERM"}, {"clone_newuts_high", "EPERM"},
        {"unshare_newipc", "EPERM"}, {"clone_newipc", "EPERM"}, {"clone_newipc_high", "EPERM"},
        {"unshare_newuser", "EPERM"}, {"clone_newuser", "EPERM"}, {"clone_newuser_high", "EPERM"},
        {"unshare_newpid", "EPERM"}, {"clone_newpid", "EPERM"}, {"clone_newpid_high", "EPERM"},
        {"unshare_newnet", "EPERM"}, {"clone_newnet", "EPERM"}, {"clone_newnet_high", "EPERM"},
        {"unshare_newtime", "EPERM"}, {"clone3_newns", "ENOSYS"}, {"clone3_newcgroup", "ENOSYS"},
        {"clone3_newuts", "ENOSYS"}, {"clone3_newipc", "ENOSYS"}, {"clone3_newuser", "ENOSYS"},
        {"clone3_newpid", "ENOSYS"}, {"clone3_newnet", "ENOSYS"}, {"clone3_newtime", "ENOSYS"},
        {"clone3_size_0", "ENOSYS"}, {"clone3_huge", "ENOSYS"}, {"clone3_null", "ENOSYS"},
        {"clone_vfork", "done"}, {"clone_parent", "done"}, {"open_own_user", "done"},
        {"setns_own_user", "EPERM"}, {"parent_user", "EPERM"}, {"owning_user", "EPERM"},
        {"parent_pid", "EPERM"}, {"owner_pid", "done"}, {"next_mnt", "EPERM ENOTTY EINVAL ENOENT"},
        {"cgroup_dir", "ENOENT"}};

static const struct attack_row system_devices[] = {{"/dev/mem", "ENOENT"}, {"/dev/kmem", "ENOENT"},
        {"/dev/port", "ENOENT"}, {"/dev/kmsg", "ENOENT"}, {"/dev/kvm", "ENOENT"},
        {"/dev/fuse", "ENOENT"}, {"/dev/vda", "ENOENT"}, {"/dev/sda", "ENOENT"},
        {"/dev/nvidia0", "ENOENT"}, {"/dev/nvidiactl", "ENOENT"}, {"/dev/console", "ENOENT"},
        {"/dev/tty0", "ENOENT"}, {"/dev/loop-control", "ENOENT"}, {"/dev/net/tun", "ENOENT"},
        {"/dev/userfaultfd", "ENOENT"}, {"/dev/vsock", "ENOENT"}, {"/dev/vhost-net", "ENOENT"},
        {"/dev/snapshot", "ENOENT"}, {"/dev/uinput", "ENOENT"}, {"/dev/hwrng", "ENOENT"},
        {"/dev/cpu/0/msr", "ENOENT"}, {"/dev/tty", "ENXIO"}, {"/tmp/vda", "EPERM EACCES EROFS"},
        {"vda", "EPERM EACCES EROFS"}, {"/tmp/sda", "EPERM EACCES EROFS"},
        {"sda", "EPERM EACCES EROFS"}, {"/tmp/mem", "EPERM EACCES EROFS"},
        {"mem", "EPERM EACCES EROFS"}, {"/tmp/null", "EPERM EACCES EROFS"},
        {"null", "EPERM EACCES EROFS"}, {"/tmp/kmsg", "EPERM EACCES EROFS"},
        {"kmsg", "EPERM EACCES EROFS"}, {"chmod_null", "EPERM EACCES EROFS"},
        {"chown_null", "EPERM EACCES EROFS"}, {"unlink_null", "EPERM EACCES EROFS"},
        {"rename_null", "EPERM EACCES EROFS"}, {"add_entropy", "done"}};

static const struct attack_row system_privilege[] = {{"setuid", "EINVAL"}, {"setresuid", "EINVAL"},
        {"setuid_1001", "EINVAL"}, {"setgid", "EINVAL"}, {"setgroups", "EPERM"},
        {"setgroups_none", "EPERM"}, {"capset", "EPERM"}, {"ambient", "EPERM"},
        {"securebits", "EPERM"}, {"keepcaps", "EPERM"}, {"new_privs_off", "EINVAL"},
        {"set_mm", "EPERM"}, {"dumpable_2", "EINVAL"}, {"subreaper", "done"},
        {"io_flusher", "EPERM EINVAL"}, {"memory_merge", "done EPERM EINVAL"},
        {"personality_compat", "ENOSYS"}, {"personality_implies_exec", "ENOSYS"},
        {"xattr_capability", "EPERM EOPNOTSUPP"}, {"nice", "EACCES EPERM"},
        {"oom_score", "EACCES EPERM"}, {"chown", "EINVAL"}};

static const struct attack_row system_kernel[] = {{"bpf", "EPERM"}, {"io_uring_setup", "EPERM"},
        {"userfaultfd", "EPERM"}, {"perf_event_open", "EPERM"}, {"keyctl_session", "EPERM"},
        {"keyctl_persistent", "EPERM"}, {"add_key", "EPERM"}, {"request_key", "EPERM"},
        {"init_module", "EPERM"}, {"finit_module", "EPERM"}, {"delete_module", "EPERM"},
        {"kexec_load", "EPERM"}, {"reboot", "EPERM"}, {"swapon", "EPERM"}, {"acct", "EPERM"},
        {"syslog", "EPERM"}, {"quotactl", "EPERM"}, {"open_by_handle_at", "EPERM"},
        {"fanotify_init", "EPERM"}, {"modify_ldt", "EPERM"}, {"iopl", "EPERM"}, {"ioperm", "EPERM"},
        {"memfd_secret", "EPERM"}, {"lookup_dcookie", "EPERM"}, {"sethostname", "EPERM"},
        {"setdomainname", "EPERM"}, {"vhangup", "EPERM"}, {"huge_pages", "ENOMEM"},
        {"huge_memfd", "ENOMEM"}, {"huge_shm", "ENOMEM"}, {"aio", "ENOSYS"},
        {"map_low", "EPERM EACCES"}};

static const struct attack_row system_clock[] = {{"clock_settime", "EPERM"},
        {"settimeofday", "EPERM"}, {"adjtimex", "EPERM"}, {"clock_adjtime", "EPERM"},
        {"fifo", "EPERM"}, {"rr", "EPERM"}, {"deadline", "EPERM EINVAL"}, {"all_cpus", "done"}};

static const struct attack_row system_ttys[] = {{"openpty", "done"}, {"own_terminal", "done"},
        {"tiocsti", "EPERM"}, {"tiocsti_high", "EPERM"}, {"tioclinux", "EPERM"},
        {"tioclinux_high", "EPERM"}, {"line_discipline", "EPERM"},
        {"line_discipline_high", "EPERM"}, {"console", "EPERM"}, {"stdin_tiocsti", "EPERM"},
        {"terminals", "bounded"}};

static const struct attack_row files_lower[] = {{"whiteout", "EPERM"},
        {"whiteout_over", "EXDEV ENOENT EPERM"}, {"opaque", "done EPERM EOPNOTSUPP ENODATA"},
        {"redirect", "done EPERM EOPNOTSUPP ENODATA"},
        {"metacopy", "done EPERM EOPNOTSUPP ENODATA"}, {"trusted", "EPERM"},
        {"origin", "done EPERM EOPNOTSUPP ENODATA"}, {"rename_whiteout", "EINVAL EPERM"},
        {"exchange", "done EINVAL"}, {"append", "done"}, {"truncate", "done"}, {"chmod", "done"},
        {"chown", "done"}, {"utime", "done"}, {"xattr", "done EPERM EOPNOTSUPP ENODATA"},
        {"remove_xattr", "done EPERM EOPNOTSUPP ENODATA"}, {"hard_link", "done"},
        {"write_link", "done"}, {"unlink", "done"}, {"rename_over", "done"}, {"rmdir", "done"},
        {"rename_dir", "EXDEV"}, {"unlink_symlink", "done"}};

static const struct attack_row files_shared[] = {{"canary_open", "EROFS EACCES EPERM"},
        {"canary_truncate", "EROFS EACCES EPERM"}, {"canary_chmod", "EROFS EACCES EPERM"},
        {"canary_fchmod", "EROFS EACCES EPERM"}, {"canary_chown", "EROFS EACCES EPERM"},
        {"canary_utime", "EROFS EACCES EPERM"}, {"canary_xattr", "EROFS EACCES EPERM"},
        {"canary_unlink", "EXDEV EROFS"}, {"canary_rename", "EXDEV EROFS"},
        {"canary_link", "EXDEV EROFS"}, {"canary_flags", "EROFS EACCES EPERM ENOTTY"},
        {"canary_clone_range", "EBADF EROFS EPERM"}, {"canary_lease_write", "EPERM"},
        {"canary_lease_read", "EPERM"}, {"canary_lease_high", "EPERM"},
        {"canary_fallocate", "EBADF EROFS EPERM"}, {"usr_open", "EROFS EACCES EPERM"},
        {"usr_truncate", "EROFS EACCES EPERM"}, {"usr_chmod", "EROFS EACCES EPERM"},
        {"usr_fchmod", "EROFS EACCES EPERM"}, {"usr_chown", "EROFS EACCES EPERM"},
        {"usr_utime", "EROFS EACCES EPERM"}, {"usr_xattr", "EROFS EACCES EPERM"},
        {"usr_unlink", "EXDEV EROFS"}, {"usr_rename", "EXDEV EROFS"}, {"usr_link", "EXDEV EROFS"},
        {"usr_flags", "EROFS EACCES EPERM ENOTTY"}, {"usr_clone_range", "EBADF EROFS EPERM"},
        {"usr_lease_write", "EPERM"}, {"usr_lease_read", "EPERM"}, {"usr_lease_high", "EPERM"},
        {"usr_fallocate", "EBADF EROFS EPERM"}, {"etc_open", "EROFS EACCES EPERM"},
        {"etc_truncate", "EROFS EACCES EPERM"}, {"etc_chmod", "EROFS EACCES EPERM"},
        {"etc_fchmod", "EROFS EACCES EPERM"}, {"etc_chown", "EROFS EACCES EPERM"},
        {"etc_utime", "EROFS EACCES EPERM"}, {"etc_xattr", "EROFS EACCES EPERM"},
        {"etc_unlink", "EXDEV EROFS"}, {"etc_rename", "EXDEV EROFS"}, {"etc_link", "EXDEV EROFS"},
        {"etc_flags", "EROFS EACCES EPERM ENOTTY"}, {"etc_clone_range", "EBADF EROFS EPERM"},
        {"etc_lease_write", "EPERM"}, {"etc_lease_read", "EPERM"}, {"etc_lease_high", "EPERM"},
        {"etc_fallocate", "EBADF EROFS EPERM"}, {"canary_map_write", "EACCES"},
        {"canary_mem_shared", "EIO EFAULT"}, {"canary_mem_private", "done"},
        {"canary_splice", "done"}, {"canary_vmsplice", "done"},
        {"canary_splice_back", "EBADF EROFS EPERM"}, {"canary_intact", "done"},
        {"usr_map_write", "EACCES"}, {"usr_mem_shared", "EIO EFAULT"}, {"usr_mem_private", "done"},
        {"usr_splice", "done"}, {"usr_vmsplice", "done"}, {"usr_splice_back", "EBADF EROFS EPERM"},
        {"usr_intact", "done"}, {"setuid_exec", "done"}, {"create_canary", "EROFS EACCES EPERM"},
        {"create_usr", "EROFS EACCES EPERM"}, {"create_local", "EROFS EACCES EPERM"},
        {"create_etc", "EROFS EACCES EPERM"}, {"create_root", "EROFS EACCES EPERM"},
        {"create_dev", "EROFS EACCES EPERM"}, {"create_run", "EROFS EACCES EPERM"}};

static const struct attack_row files_links[] = {{"tmpfile", "done"}, {"tmpfile_link", "done"},
        {"tmpfile_link_across", "EXDEV"}, {"tmpfile_link_usr", "EROFS EXDEV"},
        {"link_across", "EXDEV"}, {"link_testbed", "EXDEV"}, {"link_proc", "EXDEV"},
        {"handle", "done"}, {"open_by_handle", "EPERM"}, {"above_root", "ENOENT"},
        {"above_root_proc", "ENOENT"}, {"above_cwd", "ENOENT"}, {"openat2_above", "EACCES EPERM"},
        {"inherited", "none"}, {"stdin_above", "ENOTDIR"}, {"memfd_exec", "done"},
        {"watch_usr_dirs", "done"}};

static const struct attack_row files_limits[] = {{"raise_nofile", "EPERM"},
        {"raise_fsize", "EPERM"}, {"raise_memlock", "EPERM"}, {"raise_msgqueue", "EPERM"},
        {"raise_sigpending", "EPERM"}, {"raise_rtprio", "EPERM"}, {"raise_nice", "EPERM"},
        {"raise_cpu", "EPERM"}, {"core_to_0", "done"}, {"core_prlimit", "done"},
        {"core_is", "1 other"}, {"core_to_infinity", "done"}, {"core_is", "small"},
        {"core_file", "ENOENT"}};

static const struct attack_row wire_sockets[] = {{"unix", "done"}, {"inet", "done"},
        {"udp", "done"}, {"vsock", "EAFNOSUPPORT"}, {"packet", "EAFNOSUPPORT"},
        {"packet_dgram", "EAFNOSUPPORT"}, {"alg", "EAFNOSUPPORT"}, {"xdp", "EAFNOSUPPORT"},
        {"smc", "EAFNOSUPPORT"}, {"bluetooth", "EAFNOSUPPORT"}, {"can", "EAFNOSUPPORT"},
        {"tipc", "EAFNOSUPPORT"}, {"rds", "EAFNOSUPPORT"}, {"kcm", "EAFNOSUPPORT"},
        {"key", "EAFNOSUPPORT"}, {"qipcrtr", "EAFNOSUPPORT"}, {"ax25", "EAFNOSUPPORT"},
        {"raw_icmp", "EPERM"}, {"raw_tcp", "EPERM"}, {"raw_inet6", "EPERM"},
        {"sctp", "EPROTONOSUPPORT"}, {"sctp_seq", "EPROTONOSUPPORT"}, {"sctp6", "EPROTONOSUPPORT"},
        {"dccp", "EPROTONOSUPPORT"}, {"l2tp", "EPROTONOSUPPORT"}, {"udplite", "EPROTONOSUPPORT"},
        {"audit", "EAFNOSUPPORT"}, {"netfilter", "EAFNOSUPPORT"}, {"uevent", "EAFNOSUPPORT"},
        {"generic", "EAFNOSUPPORT"}, {"xfrm", "EAFNOSUPPORT"}, {"sock_diag", "EAFNOSUPPORT"},
        {"crypto", "EAFNOSUPPORT"}, {"route", "done"}, {"vsock_high", "EAFNOSUPPORT"},
        {"audit_high", "EAFNOSUPPORT"}, {"sctp_high", "EPROTONOSUPPORT"},
        {"pair_vsock", "EAFNOSUPPORT"}, {"netlink_down", "EPERM"}, {"interface_down", "EPERM"},
        {"interface_name", "EPERM"}, {"attach_filter", "EPERM EINVAL"}, {"mark", "EPERM"},
        {"force_buffer", "EPERM"},
        {"protocol_module", "ENOENT EPERM ENOTCONN EOPNOTSUPP ENOPROTOOPT"}, {"iptables", "EPERM"}};

static const struct attack_row wire_reach[] = {{"host_loopback", "ECONNREFUSED"},
        {"host_loopback6", "ECONNREFUSED"},
        {"metadata", "ENETUNREACH EADDRNOTAVAIL EHOSTUNREACH EINVAL EAFNOSUPPORT EACCES"},
        {"dns", "ENETUNREACH EADDRNOTAVAIL EHOSTUNREACH EINVAL EAFNOSUPPORT EACCES"},
        {"private", "ENETUNREACH EADDRNOTAVAIL EHOSTUNREACH EINVAL EAFNOSUPPORT EACCES"},
        {"broadcast", "ENETUNREACH EADDRNOTAVAIL EHOSTUNREACH EINVAL EAFNOSUPPORT EACCES"},
        {"multicast", "ENETUNREACH EADDRNOTAVAIL EHOSTUNREACH EINVAL EAFNOSUPPORT EACCES"},
        {"link_local6", "ENETUNREACH EADDRNOTAVAIL EHOSTUNREACH EINVAL EAFNOSUPPORT EACCES"},
        {"global6", "ENETUNREACH EADDRNOTAVAIL EHOSTUNREACH EINVAL EAFNOSUPPORT EACCES"},
        {"abstract", "ECONNREFUSED EPERM"}, {"docker", "ENOENT"}, {"dbus", "ENOENT"},
        {"journal", "ENOENT"}};

static const struct attack_row wire_pass[] = {{"own_sockets", "none"},
        {"read_own_output", "EACCES done"}, {"pipe_size", "EPERM"}, {"pipe_owner", "done"}};

static void the_init_is_out_of_reach(void **state)
{
    (void)state;
    ATTACK_RUN("exec peer init", peer_init);
}

static void no_program_file_can_be_written(void **state)
{
    (void)state;
    ATTACK_RUN("exec peer exe", peer_exe);
}

static void signals_do_not_disturb_the_init(void **state)
{
    (void)state;
    ATTACK_RUN("exec peer signals", peer_signals);
}

static void queued_signals_are_bounded_and_the_init_still_reaps(void **state)
{
    (void)state;
    ATTACK_RUN("exec peer flood", peer_flood);
}

static void settings_of_the_kernel_cannot_be_written(void **state)
{
    (void)state;
    ATTACK_RUN("exec system sysctl", system_sysctl);
}

static void mounts_cannot_be_changed(void **state)
{
    (void)state;
    ATTACK_RUN("exec system mounts", system_mounts);
}

static void no_namespace_can_be_made_or_entered(void **state)
{
    (void)state;
    ATTACK_RUN("exec system namespaces", system_namespaces);
}

static void no_device_is_there_or_can_be_made(void **state)
{
    (void)state;
    ATTACK_RUN("exec system devices", system_devices);
}

static void no_privilege_can_be_gained(void **state)
{
    (void)state;
    ATTACK_RUN("exec system privilege", system_privilege);
}

static void large_kernel_interfaces_are_closed(void **state)
{
    (void)state;
    ATTACK_RUN("exec system kernel", system_kernel);
}

static void clocks_and_scheduling_stay_the_hosts(void **state)
{
    (void)state;
    ATTACK_RUN("exec system clock", system_clock);
}

static void terminals_are_private_bounded_and_take_no_forged_input(void **state)
{
    (void)state;
    ATTACK_RUN("exec system ttys", system_ttys);
}

static void an_overlay_is_written_and_its_lower_is_not(void **state)
{
    (void)state;
    ATTACK_RUN("exec files lower", files_lower);
}

static void shared_files_cannot_be_changed_leased_or_dirtied(void **state)
{
    (void)state;
    ATTACK_RUN("exec files shared", files_shared);
}

static void no_link_or_path_leads_out(void **state)
{
    (void)state;
    ATTACK_RUN("exec files links", files_links);
}

static void limits_cannot_be_raised_and_no_core_is_written(void **state)
{
    (void)state;
    ATTACK_RUN("exec files limits", files_limits);
}

static void only_harmless_sockets_can_be_made(void **state)
{
    (void)state;
    ATTACK_RUN("exec wire sockets", wire_sockets);
}

static void no_socket_leads_out(void **state)
{
    (void)state;
    ATTACK_RUN("exec wire pass", wire_pass);
}

// With the host listening where the box knocks.
static void no_address_of_the_host_or_beyond_answers(void **state)
{
    struct sockaddr_in inet = {.sin_family = AF_INET,
            .sin_port = htons(host_port),
            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    const int inet_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    const int len = snprintf(
            abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "assay-host-%d", host_port);

    assert_int_equal(setsockopt(inet_fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(inet_fd, (struct sockaddr *)&inet, sizeof(inet)), 0);
    assert_int_equal(bind(unix_fd, (struct sockaddr *)&abstract,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len + 1)),
            0);
    assert_int_equal(listen(inet_fd, 1), 0);
    assert_int_equal(listen(unix_fd, 1), 0);
    ATTACK_RUN("exec wire reach", wire_reach);
    close(inet_fd);
    close(unix_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            HOST_TEST(the_init_is_out_of_reach),
            HOST_TEST(no_program_file_can_be_written),
            HOST_TEST(signals_do_not_disturb_the_init),
            HOST_TEST(queued_signals_are_bounded_and_the_init_still_reaps),
            HOST_TEST(settings_of_the_kernel_cannot_be_written),
            HOST_TEST(mounts_cannot_be_changed),
            HOST_TEST(no_namespace_can_be_made_or_entered),
            HOST_TEST(no_device_is_there_or_can_be_made),
            HOST_TEST(no_privilege_can_be_gained),
            HOST_TEST(large_kernel_interfaces_are_closed),
            HOST_TEST(clocks_and_scheduling_stay_the_hosts),
            HOST_TEST(terminals_are_private_bounded_and_take_no_forged_input),
            HOST_TEST(an_overlay_is_written_and_its_lower_is_not),
            HOST_TEST(shared_files_cannot_be_changed_leased_or_dirtied),
            HOST_TEST(no_link_or_path_leads_out),
            HOST_TEST(limits_cannot_be_raised_and_no_core_is_written),
            HOST_TEST(only_harmless_sockets_can_be_made),
            HOST_TEST(no_socket_leads_out),
            HOST_TEST(no_address_of_the_host_or_beyond_answers),
    };

    return boxes_main("attack_reach", tests, sizeof(tests) / sizeof(tests[0]));
}
