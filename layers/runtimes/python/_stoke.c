/* The Python extension of our runtime: the zygote's forking (sandbox/zygote/zygote.h), frames of the private channel
 * (runtime-api/channel.h), and the quick test whether a result is plain JSON data. Limited API, so that one file loads into
 * every CPython from 3.8 on. The GIL is not held while waiting. Only the main thread uses the channel. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03080000
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime-api/channel.h"
#include "sandbox/zygote/zygote.h"

#define INPUT_BYTES (64 * 1024) /* one read(2) for a frame of usual size */
#define PLAIN_DEPTH_MAX 200     /* deeper data take the slow road, which reports recursion */

/* What was read from the channel and not used yet: bytes [start, end). */
static struct {
    unsigned char bytes[INPUT_BYTES];
    size_t start, end;
} input;

static uint32_t get32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

/* One read(2), through signals and their Python handlers. 0 at the end of the stream, -1 with an exception. */
static ssize_t read_some(int fd, void *into, size_t len)
{
    for (;;) {
        ssize_t n;
        int code;
        Py_BEGIN_ALLOW_THREADS n = read(fd, into, len);
        code = errno;
        Py_END_ALLOW_THREADS if (n >= 0) return n;
        errno = code;
        if (code == ECONNRESET)
            return 0;
        if (code != EINTR) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
}

/* 1: len bytes are at into; 0: end of the stream; -1: exception. */
static int read_exactly(int fd, unsigned char *into, size_t len)
{
    while (len > 0) {
        size_t have = input.end - input.start;
        if (have > 0) {
            size_t take = have < len ? have : len;
            memcpy(into, input.bytes + input.start, take);
            input.start += take;
            into += take;
            len -= take;
            continue;
        }
        bool large = len >= INPUT_BYTES;
        ssize_t n = read_some(fd, large ? (void *)into : input.bytes, large ? len : INPUT_BYTES);
        if (n <= 0)
            return (int)n;
        if (large) {
            into += n;
            len -= (size_t)n;
        } else {
            input.start = 0;
            input.end = (size_t)n;
        }
    }
    return 1;
}

/* NUL-ended fields as a list of str; what is not UTF-8 becomes surrogates, as in os.environ. */
static PyObject *split_fields(const char *meta, size_t len)
{
    PyObject *fields = PyList_New(0);
    const char *end = meta + len;
    while (fields != NULL && meta < end) {
        const char *nul = memchr(meta, '\0', (size_t)(end - meta));
        const char *stop = nul != NULL ? nul : end;
        PyObject *field = PyUnicode_DecodeUTF8(meta, stop - meta, "surrogateescape");
        if (field == NULL || PyList_Append(fields, field) < 0)
            Py_CLEAR(fields);
        Py_XDECREF(field);
        meta = stop + 1;
    }
    return fields;
}

static int read_meta(int fd, size_t len, PyObject **ret_fields)
{
    char *meta = PyMem_Malloc(len + 1);
    if (meta == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int r = read_exactly(fd, (unsigned char *)meta, len);
    if (r > 0 && (*ret_fields = split_fields(meta, len)) == NULL)
        r = -1;
    PyMem_Free(meta);
    return r;
}

PyDoc_STRVAR(receive_doc, "receive(fd) -> (type, [field, ...], body) or None at the end of the stream");

static PyObject *receive(PyObject *module, PyObject *args)
{
    unsigned char header[CHANNEL_HEADER_BYTES];
    PyObject *fields = NULL, *body = NULL;
    int fd;
    (void)module;
    if (!PyArg_ParseTuple(args, "i:receive", &fd))
        return NULL;
    int r = read_exactly(fd, header, sizeof header);
    if (r < 0)
        return NULL;
    if (r == 0)
        Py_RETURN_NONE;
    size_t meta_len = get32(header + 4), body_len = get32(header + 8);
    if (meta_len > CHANNEL_META_BYTES_MAX || body_len > CHANNEL_BODY_BYTES_MAX)
        return PyErr_Format(PyExc_ValueError, "a frame of %zu and %zu bytes is beyond the channel's limits", meta_len, body_len);
    r = read_meta(fd, meta_len, &fields);
    if (r > 0 && (body = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)body_len)) == NULL)
        r = -1;
    if (r > 0)
        r = read_exactly(fd, (unsigned char *)PyBytes_AsString(body), body_len);
    if (r > 0)
        return Py_BuildValue("(iNN)", header[0], fields, body);
    Py_XDECREF(fields);
    Py_XDECREF(body);
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int write_all(int fd, struct iovec *parts, int count)
{
    while (count > 0) {
        ssize_t n;
        int code;
        Py_BEGIN_ALLOW_THREADS n = writev(fd, parts, count);
        code = errno;
        Py_END_ALLOW_THREADS if (n < 0)
        {
            errno = code;
            if (code != EINTR) {
                PyErr_SetFromErrno(PyExc_OSError);
                return -1;
            }
            if (PyErr_CheckSignals() < 0)
                return -1;
            continue;
        }
        for (; count > 0 && (size_t)n >= parts->iov_len; count--)
            n -= (ssize_t)parts++->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + n;
            parts->iov_len -= (size_t)n;
        }
    }
    return 0;
}

PyDoc_STRVAR(send_doc, "send(fd, type, meta, body): meta is bytes, every field ended by NUL; body is bytes");

static PyObject *send_frame(PyObject *module, PyObject *args)
{
    unsigned char header[CHANNEL_HEADER_BYTES] = {0};
    int fd, type;
    PyObject *meta, *body;
    (void)module;
    if (!PyArg_ParseTuple(args, "iiSS:send", &fd, &type, &meta, &body))
        return NULL;
    size_t meta_len = (size_t)PyBytes_Size(meta), body_len = (size_t)PyBytes_Size(body);
    if (meta_len > CHANNEL_META_BYTES_MAX || body_len > UINT32_MAX)
        return PyErr_Format(PyExc_ValueError, "a frame of %zu and %zu bytes is beyond the channel's limits", meta_len, body_len);
    header[0] = (unsigned char)type;
    put32(header + 4, (uint32_t)meta_len);
    put32(header + 8, (uint32_t)body_len);
    struct iovec parts[] = {{header, sizeof header}, {PyBytes_AsString(meta), meta_len}, {PyBytes_AsString(body), body_len}};
    if (write_all(fd, parts, 3) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_environ_doc, "set_environ(b'NAME=value\\0...', count): replaces the C library's environment");

/* As one block: putenv(3) would grow its own array forty times. */
static PyObject *set_environ(PyObject *module, PyObject *args)
{
    const char *text;
    Py_ssize_t len, count;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#n:set_environ", &text, &len, &count))
        return NULL;
    size_t array = (size_t)(count + 1) * sizeof(char *);
    char **variables = malloc(array + (size_t)len);
    if (variables == NULL)
        return PyErr_NoMemory();
    char *copy = memcpy((char *)variables + array, text, (size_t)len), *end = copy + len;
    for (Py_ssize_t i = 0; i < count; i++) {
        char *nul = memchr(copy, '\0', (size_t)(end - copy));
        if (nul == NULL) {
            free(variables);
            PyErr_SetString(PyExc_ValueError, "fewer variables than counted");
            return NULL;
        }
        variables[i] = copy;
        copy = nul + 1;
    }
    variables[count] = NULL;
    clearenv();
    environ = variables; /* the process's for good; setenv(3) copies the array when it adds to it */
    Py_RETURN_NONE;
}

/* ---- plain data: what both JSON encoders of Lambda's lineage write alike */

static int plain(PyObject *value, int depth);

static int plain_members(PyObject *dict, int depth)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value))
        if (Py_TYPE(key) != &PyUnicode_Type || !plain(value, depth))
            return 0;
    return 1;
}

static int plain_items(PyObject *sequence, Py_ssize_t count, PyObject *(*item)(PyObject *, Py_ssize_t), int depth)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (!plain(item(sequence, i), depth))
            return 0;
    return 1;
}

static int plain(PyObject *value, int depth)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyUnicode_Type || type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type || value == Py_None)
        return 1;
    if (depth >= PLAIN_DEPTH_MAX)
        return 0;
    if (type == &PyDict_Type)
        return plain_members(value, depth + 1);
    if (type == &PyList_Type)
        return plain_items(value, PyList_Size(value), PyList_GetItem, depth + 1);
    if (type == &PyTuple_Type)
        return plain_items(value, PyTuple_Size(value), PyTuple_GetItem, depth + 1);
    return 0;
}

PyDoc_STRVAR(is_plain_doc, "is_plain(value) -> bool: nothing but dict with str keys, list, tuple, str, int, float, bool, None");

static PyObject *is_plain(PyObject *module, PyObject *value)
{
    (void)module;
    return PyBool_FromLong(plain(value, 0));
}

/* ---- the zygote */

PyDoc_STRVAR(open_doc, "open_zygote(): checks that descriptor 3 is the spawner's socket");

static PyObject *open_zygote(PyObject *module, PyObject *unused)
{
    struct err err;
    (void)module;
    (void)unused;
    if (zygote_open(&err) < 0) {
        PyErr_SetString(PyExc_OSError, err.msg);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(serve_doc, "serve() -> bool: forks workers as the spawner orders; returns in each of them only: whether a visit waits for it");

static PyObject *serve(PyObject *module, PyObject *unused)
{
    static const struct zygote_hooks hooks = {PyOS_BeforeFork, PyOS_AfterFork_Parent, PyOS_AfterFork_Child};
    (void)module;
    (void)unused;
    zygote_serve(&hooks);
    return PyBool_FromLong(zygote_is_awaited());
}

PyDoc_STRVAR(await_go_doc, "await_go(): says SEALED on the control socket and waits for GO");

static PyObject *await_go(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    zygote_await_go();
    if (fcntl(CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"receive", receive, METH_VARARGS, receive_doc},
    {"send", send_frame, METH_VARARGS, send_doc},
    {"set_environ", set_environ, METH_VARARGS, set_environ_doc},
    {"is_plain", is_plain, METH_O, is_plain_doc},
    {"open_zygote", open_zygote, METH_NOARGS, open_doc},
    {"serve", serve, METH_NOARGS, serve_doc},
    {"await_go", await_go, METH_NOARGS, await_go_doc},
    {NULL, NULL, 0, NULL},
};

static int exec_module(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } constants[] = {
        {"FD", CHANNEL_FD},
        {"BODY_BYTES_MAX", CHANNEL_BODY_BYTES_MAX},
        {"START", CHANNEL_START},
        {"INVOKE", CHANNEL_INVOKE},
        {"TERMINATE", CHANNEL_TERMINATE},
        {"EXTENSION", CHANNEL_EXTENSION},
        {"BOOTED", CHANNEL_BOOTED},
        {"READY", CHANNEL_READY},
        {"RESPONSE", CHANNEL_RESPONSE},
        {"ERROR", CHANNEL_ERROR},
        {"INIT_ERROR", CHANNEL_INIT_ERROR},
        {"EXEC_FAILED", CHANNEL_EXEC_FAILED},
    };
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0)
            return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)exec_module}, {0, NULL}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_stoke",
    .m_doc = "Stoke's private channel and zygote",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__stoke(void);
PyMODINIT_FUNC PyInit__stoke(void)
{
    return PyModuleDef_Init(&definition);
}
