// SPDX-License-Identifier: MIT
#include "orchestrator/registries.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/fetch.h"
#include "envs/host.h"

#define PLAN "plan.json"
#define PLAN_BYTES_MAX ((size_t)64 << 20)
#define NAMES_MAX 4096

// get(name, version) is a folder with the one source archive of a release, or None. pip wants to
// know a project's name and version before it keeps its archive, and for that would fetch build
// tools and run the project's own hooks: 3 to 10 s. What it is told here instead, by a module that
// stands where the build tool would, is what the archive itself says in its PKG-INFO. Where that
// does not do, pip has its way.
#define PIP_GET                                                                                                 \
    "import hashlib, json, os, re, subprocess, sys, tarfile, tempfile, zipfile\n"                               \
    "pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--no-color']\n"                        \
    "stub = tempfile.mkdtemp()\n"                                                                               \
    "with open(stub + '/sitecustomize.py', 'w') as file:\n"                                                     \
    "    file.write('''\n"                                                                                      \
    "import os, sys, types\n"                                                                                   \
    "def said(what):\n"                                                                                         \
    "    return os.environ.get('PEP517_' + what) or os.environ.get('_PYPROJECT_HOOKS_' + what)\n"               \
    "if said('BUILD_BACKEND'):\n"                                                                               \
    "    import email.parser, shutil\n"                                                                         \
    "    def prepare(directory, settings=None):\n"                                                              \
    "        with open('PKG-INFO', encoding='utf-8', errors='replace') as file:\n"                              \
    "            info = email.parser.Parser().parse(file, headersonly=True)\n"                                  \
    "        out = '%s-%s.dist-info' % (info['Name'].replace('-', '_'), info['Version'])\n"                     \
    "        os.makedirs(os.path.join(directory, out))\n"                                                       \
    "        shutil.copy('PKG-INFO', os.path.join(directory, out, 'METADATA'))\n"                               \
    "        return out\n"                                                                                      \
    "    module, _, inner = said('BUILD_BACKEND').partition(':')\n"                                             \
    "    top = at = types.ModuleType(module)\n"                                                                 \
    "    for part in filter(None, inner.split('.')):\n"                                                         \
    "        inside = types.SimpleNamespace()\n"                                                                \
    "        setattr(at, part, inside)\n"                                                                       \
    "        at = inside\n"                                                                                     \
    "    at.prepare_metadata_for_build_wheel = prepare\n"                                                       \
    "    at.get_requires_for_build_wheel = lambda settings=None: []\n"                                          \
    "    top.__file__ = os.path.join((said('BACKEND_PATH') or '').split(os.pathsep)[0], 'stub.py')\n"           \
    "    sys.modules[module] = top\n"                                                                           \
    "''')\n"                                                                                                    \
    "def get(name, version):\n"                                                                                 \
    "    out = tempfile.mkdtemp(dir='" ASSAY_FETCH_DIR "')\n"                                                   \
    "    ways = ((dict(os.environ, PYTHONPATH=stub), ['--use-pep517', '--no-build-isolation']), (None, []))\n"  \
    "    for env, more in ways:\n"                                                                              \
    "        done = subprocess.run(pip + ['download', '-q', '--no-deps', '--no-binary', name,\n"                \
    "            '--no-cache-dir', '--progress-bar', 'off', '--dest', out] + more + [name + '==' + version],\n" \
    "            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, text=True)\n"                      \
    "        if done.returncode == 0 and len(os.listdir(out)) == 1:\n"                                          \
    "            return out\n"                                                                                  \
    "    sys.stderr.write(done.stderr)\n"                                                                       \
    "    return None\n"

// Newest first; a release whose source archive cannot be had is left out. Releases are had four at
// a time: it is the registry that takes the time.
static const char pypi_script[] = PIP_GET
        "from concurrent.futures import ThreadPoolExecutor\n"
        "name, most = sys.argv[1], int(sys.argv[2])\n"
        "said = subprocess.run(pip + ['index', 'versions', name], stdout=subprocess.PIPE, text=True).stdout\n"
        "line = re.search(r'^Available versions: (.*)$', said, re.M)\n"
        "def look(version):\n"
        "    out = get(name, version)\n"
        "    if out is None:\n"
        "        return None\n"
        "    file = os.listdir(out)[0]\n"
        "    path = os.path.join(out, file)\n"
        "    data = open(path, 'rb').read()\n"
        "    names = (tarfile.open(path).getnames() if not path.endswith('.zip') else zipfile.ZipFile(path).namelist())\n"
        "    tests = [n for n in names if re.search(r'(^|/)(test_[^/]*|[^/]*_test)\\.py$', n)]\n"
        "    os.rename(path, '" ASSAY_FETCH_DIR "/' + file)\n"
        "    return {'version': version, 'file': file, 'sha256': hashlib.sha256(data).hexdigest(),\n"
        "        'tests': len(tests)}\n"
        "versions = line.group(1).split(', ') if line else []\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    found = [r for r in pool.map(look, versions[:most + 2]) if r][:most]\n"
        "json.dump({'releases': found}, open('" ASSAY_FETCH_DIR "/" PLAN "', 'w'))\n";

static const char pypi_fetch[] =
        PIP_GET "name, version, file = sys.argv[1:]\n"
                "out = get(name, version)\n"
                "if out is None:\n"
                "    sys.exit(1)\n"
                "if os.listdir(out) != [file]:\n"
                "    sys.exit('the archive of %s %s is %s' % (name, version, os.listdir(out)[0]))\n"
                "os.rename(os.path.join(out, file), os.path.join('" ASSAY_FETCH_DIR "', file))\n";

// $m is where this host's Debian packages come from.
#define MIRROR                                                                                                         \
    "m=$(sed -n 's#^[^\\#]*\\(https\\{0,1\\}://[^ ]*/debian\\)/\\{0,1\\}\\( .*\\)\\{0,1\\}$#\\1#p' " ASSAY_APT_SOURCES \
    " | head -n 1)\n"                                                                                                  \
    "test -n \"$m\" || { echo \"apt names no archive of Debian\"; exit 1; }\n"

#define APT_GET                                                                                    \
    "/usr/lib/apt/apt-helper -qq -o APT::Sandbox::User= -o Dir::Etc::sourceparts=- download-file"

// apt with nothing of the host's but its own programs. Arguments: how many releases, whether their
// patches are wanted ("series"), names.
static const char debian_script[] = MIRROR
        "a=/out/apt; mkdir -p $a/lists/partial $a/cache/archives/partial; : >$a/status\n"
        "for s in bullseye bookworm trixie sid; do\n"
        "echo \"deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $m $s main\"\n"
        "done >$a/sources.list\n"
        "o=\"-qq -o Dir::State::lists=$a/lists -o Dir::Cache=$a/cache -o Dir::State::status=$a/status\"\n"
        "o=\"$o -o Dir::Etc::sourcelist=$a/sources.list -o Dir::Etc::sourceparts=- -o Acquire::Languages=none\"\n"
        "o=\"$o -o APT::Sandbox::User=\"\n"
        // A suite that is no longer served leaves the others.
        "apt-get $o update >&2\n"
        "most=$1; what=$2; shift 2\n"
        "apt-cache $o showsrc \"$@\" >/out/sources 2>/dev/null\n"
        "exec /usr/bin/python3 - $most $what \"$m\" <<'PY'\n"
        "import functools, hashlib, json, re, subprocess, sys, tarfile\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "most, what, mirror, found = int(sys.argv[1]), sys.argv[2], sys.argv[3], {}\n"
        // Sections of sources say nothing; how Debian names libraries does. What has headers and no
        // other language is C.
        "languages = (('python3-', 'python'), ('lib.*-perl$', 'perl'), ('ruby-', 'ruby'), ('node-', 'javascript'),\n"
        "    ('golang-', 'go'))\n"
        "def compare(a, b):\n"
        "    newer = lambda x, y: subprocess.run(['dpkg', '--compare-versions', x, 'gt', y]).returncode == 0\n"
        "    return -1 if newer(a['version'], b['version']) else 1\n"
        "def newest(some):\n"
        "    return sorted(some, key=functools.cmp_to_key(compare))[:most]\n"
        "for text in open('/out/sources').read().split('\\n\\n'):\n"
        "    field = lambda name: (re.search(r'^%s: (.*)$' % name, text, re.M) or ['', ''])[1]\n"
        "    files = re.search(r'^Checksums-Sha256:\\n((?: .*\\n?)+)', text, re.M)\n"
        "    if not files:\n"
        "        continue\n"
        "    made = re.split('[, ]+', field('Binary'))\n"
        "    language = next((l for b in made for p, l in languages if re.match(p, b)), '')\n"
        "    if not language and any(re.match('lib.*-dev$', b) for b in made):\n"
        "        language = 'c'\n"
        "    one = found.setdefault(field('Package'), {'language': language, 'releases': [], 'series': []})\n"
        "    mine, archive = [], None\n"
        "    for line in files.group(1).splitlines():\n"
        "        sha, _, name = line.split()\n"
        "        orig = re.fullmatch(r'[^_]+_(.+)\\.orig(-[^.]*)?\\.tar\\.(gz|bz2|xz)', name)\n"
        "        file = {'file': name, 'sha256': sha, 'path': field('Directory') + '/' + name}\n"
        "        if orig:\n"
        "            mine.append(dict(file, version=orig.group(1)))\n"
        "        elif re.search(r'\\.debian\\.tar\\.[a-z0-9]+$', name):\n"
        "            archive = dict(file, version=field('Version'))\n"
        // An upstream of several archives is none of them.
        "    if len(mine) == 1 and all(mine[0]['sha256'] != r['sha256'] for r in one['releases']):\n"
        "        one['releases'].append(mine[0])\n"
        "    if len(mine) == 1 and archive and all(archive['sha256'] != s['archive']['sha256'] for s in one['series']):\n"
        "        one['series'].append({'version': archive['version'], 'orig': mine[0], 'archive': archive})\n"
        // Of each patch which files it names, and whether that is known of a newer version.
        "def look(one):\n"
        "    path = '/out/' + one['archive']['file']\n"
        "    got = subprocess.run(('" APT_GET
        "').split() + [mirror + '/' + one['archive']['path'], path,\n"
        "        'SHA256:' + one['archive']['sha256']])\n"
        "    patches = []\n"
        "    if got.returncode == 0:\n"
        "        with tarfile.open(path) as tar:\n"
        "            names = set(tar.getnames())\n"
        "            read = lambda name: tar.extractfile(name).read() if name in names else b''\n"
        "            for line in read('debian/patches/series').decode('utf-8', 'replace').splitlines():\n"
        "                words = line.split('#')[0].split()\n"
        "                text = read('debian/patches/' + words[0]) if words else b''\n"
        "                paths = re.findall(r'^\\+\\+\\+ (\\S+)', text.decode('utf-8', 'replace'), re.M)\n"
        "                if paths:\n"
        "                    patches.append({'name': words[0], 'sha256': hashlib.sha256(text).hexdigest(),\n"
        "                        'files': [p if '-p0' in words else p.split('/', 1)[-1] for p in paths]})\n"
        "    return patches\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    for one in found.values():\n"
        "        one['releases'] = newest(one['releases'])\n"
        "        one['series'] = newest(one['series']) if what == 'series' else []\n"
        "        known = set()\n"
        "        for s, patches in zip(one['series'], pool.map(look, one['series'])):\n"
        "            s['patches'] = [p for p in patches if p['sha256'] not in known]\n"
        "            known |= {p['sha256'] for p in patches}\n"
        "json.dump(found, open('/out/" PLAN "', 'w'))\n"
        "PY\n";

static const char debian_fetch[] = MIRROR "exec " APT_GET " \"$m/$1\" \"/out/$2\" \"SHA256:$3\"\n";

static enum assay_status read_plan(
        struct assay_json **out, const char *dir, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = PLAN_BYTES_MAX, .depth_max = 8};
    struct assay_buf text;
    char path[PATH_MAX];
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, PLAN_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "%.*s/" PLAN, PATH_MAX - 16, dir);
    status = assay_fs_read_file(&text, path, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(out, text.data, text.len, limits, "plan", 1, err);
    assay_buf_free(&text);
    return status;
}

// What `argv` says in /out/plan.json. `dir` is the caller's scratch, and keeps all of /out.
static enum assay_status ask(struct assay_json **out, struct assay_context *context,
        const char *const *argv, const char *dir, struct assay_error *err)
{
    const enum assay_status status = assay_fetch_run(assay_context_depot(context),
            assay_context_sandbox(context), assay_context_access(context), argv, NULL, dir, err);

    return status == ASSAY_OK ? read_plan(out, dir, err) : status;
}

static bool download_path(struct assay_context *context, const char *sha256, const char *file,
        char dir[PATH_MAX], char path[PATH_MAX])
{
    const char *home = assay_depot_home(assay_context_depot(context));

    return snprintf(dir, PATH_MAX, "%s/downloads/%s", home, sha256) < PATH_MAX &&
            snprintf(path, PATH_MAX, "%s/downloads/%s/%s", home, sha256, file) < PATH_MAX;
}

// The archives that came along. One that is not what it says is found out at its import.
static enum assay_status keep_downloads(struct assay_context *context,
        const struct assay_json *plan, const char *from, struct assay_error *err)
{
    const struct assay_json *releases = assay_json_get(plan, "releases");
    enum assay_status status = ASSAY_OK;

    for (const struct assay_json *one = releases == NULL ? NULL : assay_json_first(releases);
            one != NULL && status == ASSAY_OK; one = assay_json_next(one)) {
        const char *file = assay_json_text(assay_json_get(one, "file"));
        const char *sha256 = assay_json_text(assay_json_get(one, "sha256"));
        char dir[PATH_MAX], path[PATH_MAX];

        if (file != NULL && sha256 != NULL && strlen(sha256) == 64 &&
                strspn(sha256, "0123456789abcdef") == 64 &&
                download_path(context, sha256, file, dir, path))
            status = assay_fetch_take(from, file, dir, err);
    }
    return status;
}

enum assay_status assay_registry_ask_pypi(struct assay_json **out, struct assay_context *context,
        const char *package, size_t most, struct assay_error *err)
{
    struct assay_depot *depot = assay_context_depot(context);
    char number[24], dir[PATH_MAX];
    const char *const argv[] = {"/usr/bin/python3", "-c", pypi_script, package, number, NULL};
    struct assay_json *plan = NULL;
    enum assay_status status = assay_depot_tmp(depot, dir, err);

    if (status != ASSAY_OK)
        return status;
    (void)snprintf(number, sizeof(number), "%zu", most);
    status = ask(&plan, context, argv, dir, err);
    if (status == ASSAY_OK)
        status = keep_downloads(context, plan, dir, err);
    if (status == ASSAY_OK)
        *out = plan;
    else
        assay_json_free(plan);
    assay_depot_drop_tmp(depot, dir);
    return status;
}

enum assay_status assay_registry_ask_debian(struct assay_json **out, struct assay_context *context,
        const struct assay_strings *packages, size_t most, bool series, struct assay_error *err)
{
    struct assay_depot *depot = assay_context_depot(context);
    const char *argv[NAMES_MAX + 7] = {"/bin/sh", "-c", debian_script, "sh"};
    char number[24], dir[PATH_MAX];
    enum assay_status status = ASSAY_OK;

    if (packages->count > NAMES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %d packages of Debian", NAMES_MAX);
    argv[4] = number;
    argv[5] = series ? "series" : "releases";
    (void)snprintf(number, sizeof(number), "%zu", most);
    for (size_t i = 0; i < packages->count; i++)
        argv[6 + i] = packages->items[i];
    status = assay_depot_tmp(depot, dir, err);
    if (status != ASSAY_OK)
        return status;
    status = ask(out, context, argv, dir, err);
    assay_depot_drop_tmp(depot, dir);
    return status;
}

enum assay_status assay_registry_fetch(char path[PATH_MAX], struct assay_context *context,
        const char *package, const struct assay_release_file *release, struct assay_error *err)
{
    char dir[PATH_MAX];
    const char *const pip[] = {
            "/usr/bin/python3", "-c", pypi_fetch, package, release->version, release->file, NULL};
    const char *const apt[] = {"/bin/sh", "-c", debian_fetch, "sh", release->path, release->file,
            release->sha256, NULL};

    if (!download_path(context, release->sha256, release->file, dir, path))
        return assay_fail(err, ASSAY_EINVAL, "path too long: %.150s", release->file);
    if (access(path, R_OK) == 0)
        return ASSAY_OK;
    return assay_fetch_run(assay_context_depot(context), assay_context_sandbox(context),
            assay_context_access(context), release->path != NULL ? apt : pip, release->file, dir,
            err);
}
