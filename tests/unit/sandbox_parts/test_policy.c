/* The filters, each call tried in a process of its own under big and last, as a worker has them; and whole
 * interpreters under the same. Root is not needed; as root the capability to raise limits is given up first.
 */
#include "sandbox/policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "tests/unit/cunit.h"
#include "tests/unit/sandbox_parts/policy_calls.h"

enum stage { ZYGOTE, WORKER, PID1 };

/* Runs fn in a child under the filters of that stage; its wait status. */
static int run_under(enum stage stage, int (*fn)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct none[2] = {{0}};
        if (stage != ZYGOTE && syscall(SYS_capset, &header, none) < 0)
            _exit(250);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            _exit(251);
        if (stage == PID1 ? policy_install(&policy_pid1) < 0 : policy_install(&policy_big) < 0)
            _exit(252);
        if (stage == WORKER && policy_install(&policy_last) < 0)
            _exit(253);
        int rc = fn();
        syscall(SYS_exit_group, rc);
    }
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void test_policy_worker_calls(void)
{
    for (size_t i = 0; i < policy_call_count; i++) {
        int status = run_under(WORKER, policy_calls[i].fn);
        int got = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
        if (got != policy_calls[i].want)
            printf("\n    %s: got %d, want %d", policy_calls[i].name, got, policy_calls[i].want);
        CU_ASSERT_EQUAL(got, policy_calls[i].want);
    }
}

static int foreign_x32(void)
{
    return syscall(0x40000000 | SYS_getpid) < 0 ? errno : 0;
}

static int foreign_i386(void)
{
    long rc;
    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    return rc > 0 ? 0 : 1;
}

static void test_policy_foreign_abi_killed(void)
{
    int status = run_under(WORKER, foreign_x32);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    status = run_under(WORKER, foreign_i386);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* What a zygote does to make a worker passes the big filter and reaches the kernel (whose own errnos show
 * it). */
static int zygote_calls(void)
{
    if (syscall(SYS_setns, -1, 0) >= 0 || errno != EBADF)
        return 1;
    if (syscall(SYS_seccomp, 99, 0, 0) >= 0 || errno != EINVAL)
        return 2;
    if (syscall(SYS_setresuid, getuid(), getuid(), getuid()) < 0)
        return 3;
    if (syscall(SYS_capset, 0, 0) >= 0 || errno != EFAULT)
        return 4;
    if (syscall(SYS_setgroups, 99999999, 0) >= 0 || (errno != EINVAL && geteuid() == 0))
        return 5;
    if (prctl(PR_CAPBSET_DROP, 999, 0, 0, 0) >= 0 || (errno != EINVAL && geteuid() == 0))
        return 6;
    if (syscall(SYS_unshare, 0) >= 0 || errno != EPERM)
        return 7;
    if (syscall(SYS_clone, CLONE_PARENT | CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0) >= 0 || errno != EPERM)
        return 8;
    return policy_install(&policy_last) < 0 ? 9 : 0;
}

static void test_policy_zygote(void)
{
    int status = run_under(ZYGOTE, zygote_calls);
    CU_ASSERT(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

static int pid1_life(void)
{
    char byte;
    if (read(-1, &byte, 1) >= 0 || errno != EBADF)
        return 1;
    if (recv(-1, &byte, 1, 0) >= 0 || errno != EBADF)
        return 2;
    return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD ? 0 : 3;
}

static int pid1_opens(void)
{
    return open("/", O_RDONLY) < 0;
}

static void test_policy_pid1(void)
{
    int status = run_under(PID1, pid1_life);
    CU_ASSERT(WIFEXITED(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    status = run_under(PID1, pid1_opens);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static const char *python_code = "import subprocess, threading, socket, tempfile, os, ssl, sqlite3, select, signal, time, asyncio, "
                                 "shutil\n"
                                 "assert subprocess.run(['/bin/sh', '-c', 'echo hi | cat'], capture_output=True).stdout == b'hi\\n'\n"
                                 "t = threading.Thread(target=time.sleep, args=(0.01,)); t.start(); t.join()\n"
                                 "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
                                 "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); s.accept()\n"
                                 "d = tempfile.mkdtemp(); p = d + '/f'; open(p, 'w').write('x'); shutil.copy2(p, p + '2'); os.sync()\n"
                                 "db = sqlite3.connect(d + '/db'); db.execute('create table t(x)'); db.commit(); shutil.rmtree(d)\n"
                                 "pid = os.fork()\n"
                                 "if pid == 0: os._exit(7)\n"
                                 "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
                                 "async def f(): await asyncio.sleep(0.01)\n"
                                 "asyncio.run(f()); ssl.RAND_bytes(8)\n";

static const char *node_code = "const a=require('assert'),c=require('child_process'),f=require('fs'),n=require('net'),"
                               "w=require('worker_threads');a.equal(c.execSync('echo hi').toString(),'hi\\n');"
                               "const "
                               "d=f.mkdtempSync('/tmp/p');f.writeFileSync(d+'/x','y');f.copyFileSync(d+'/x',d+'/"
                               "z');f.rmSync(d,{recursive:true});"
                               "require('crypto').randomBytes(8);new w.Worker('1',{eval:true}).on('exit',()=>{const "
                               "s=n.createServer(q=>q.end('k'))"
                               ".listen(0,'127.0.0.1',()=>n.connect(s.address().port,'127.0.0.1').on('data',x=>{a.equal(''+x,'k');s."
                               "close()}))});";

static const char *program_path, *program_flag, *program_code;

static int run_program(void)
{
    execl(program_path, program_path, program_flag, program_code, (char *)NULL);
    return 99;
}

static bool find_program(const char *name, char ret_path[PATH_MAX])
{
    const char *path = getenv("PATH");
    CLEANUP(freep) char *dirs = strdup(path ? path : "/usr/bin:/bin");
    char *rest = NULL;
    for (char *dir = strtok_r(dirs, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest))
        if (snprintf(ret_path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX && access(ret_path, X_OK) == 0)
            return true;
    return false;
}

static void run_interpreter(const char *name, const char *shown, const char *flag, const char *code)
{
    char path[PATH_MAX];
    if (!find_program(name, path)) {
        SKIP("needs %s", shown);
        return;
    }
    program_path = path;
    program_flag = flag;
    program_code = code;
    int status = run_under(WORKER, run_program);
    if (status != 0)
        printf("\n    %s: wait status 0x%x", path, status);
    CU_ASSERT_EQUAL(status, 0);
}

static void test_policy_interpreters(void)
{
    run_interpreter("python3", "Python", "-c", python_code);
    run_interpreter("node", "node", "-e", node_code);
    run_interpreter("java", "Java", "-version", NULL);
    run_interpreter("go", "Go", "version", NULL);
    run_interpreter("bash", "bash", "-c", "echo x | cat >/dev/null && sleep 0.01 & wait");
}

static void test_policy_size(void)
{
    /* The kernel charges installation and each unusual call by length. */
    CU_ASSERT(policy_big.len < 800);
    CU_ASSERT(policy_last.len < 64);
    CU_ASSERT(policy_pid1.len < 64);
    printf("(big %u, last %u, pid1 %u) ", policy_big.len, policy_last.len, policy_pid1.len);
}

TEST_MAIN("policy", TEST(test_policy_size), TEST(test_policy_worker_calls), TEST(test_policy_foreign_abi_killed), TEST(test_policy_zygote),
          TEST(test_policy_pid1), TEST(test_policy_interpreters))
