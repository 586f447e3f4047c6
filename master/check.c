/* SPDX-License-Identifier: Apache-2.0 */
/* `posthouse check`: what would keep mail from working, said before it does.*/
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/master.h"
#include "sys/log.h"

/* Parameters whose values are files that daemons must be able to read. */
static const char *const	file_params[] = {
	"smtpd_tls_cert_file", "smtpd_tls_key_file", "smtpd_tls_chain_files",
	"smtpd_tls_CAfile", "smtp_tls_CAfile", "smtp_tls_cert_file",
	"smtp_tls_key_file", "login_tls_cert_file", "login_tls_key_file",
	"login_tls_chain_files",
};

static int
check_file(const char *param, const char *path)
{
	struct stat	 st;

	if (access(path, R_OK) < 0 || stat(path, &st) < 0) {
		log_warn("%s: %s: %s", param, path, strerror(errno));
		return 1;
	}
	if (!S_ISREG(st.st_mode)) {
		log_warn("%s: %s is not a file", param, path);
		return 1;
	}
	if (strstr(param, "key_file") != NULL && (st.st_mode & 0077) != 0) {
		log_warn("%s: %s: others may read the private key (mode "
		    "%04o)", param, path, (unsigned int)(st.st_mode & 07777));
		return 1;
	}
	return 0;
}

static int
check_files(const struct config *c)
{
	struct arena	*a = arena_new();
	struct slice	 s, word;
	int		 faults = 0;

	for (size_t i = 0; i < COUNT(file_params); i++) {
		s = slice_str(conf_value(c->conf, a, file_params[i]));
		while (slice_word(&s, ", \t\r\n", &word)) {
			char	*path = arena_strndup(a, (const char *)word.p,
				    word.len);

			if (path[0] == '/')
				faults += check_file(file_params[i], path);
		}
	}
	arena_free(&a);
	return faults;
}

/* main.cf and master.cf decide what root does. */
static int
check_config_files(const struct master *m)
{
	static const char *const	names[] = { "main.cf", "master.cf" };
	struct stat			 st;
	int				 faults = 0;

	for (size_t i = 0; i < COUNT(names); i++) {
		char	*path = mem_printf("%s/%s", m->config_dir, names[i]);

		if (stat(path, &st) < 0) {
			log_warn("%s: %s", path, strerror(errno));
			faults++;
		} else if ((st.st_mode & 0022) != 0 ||
		    (m->privileged && st.st_uid != 0)) {
			log_warn("%s: others than root may write it", path);
			faults++;
		}
		mem_free(&path);
	}
	return faults;
}

/* Each program knows its own parameters: let it read them. */
static int
check_params(const struct master *m, const struct master_service *s,
    const char *path)
{
	const char	*argv[128];
	size_t		 n = 0;
	pid_t		 pid;
	int		 status;

	argv[n++] = s->command;
	argv[n++] = "-K";
	argv[n++] = "-c";
	argv[n++] = m->config_dir;
	argv[n++] = "-n";
	argv[n++] = s->name;
	for (size_t i = 0; s->overrides[i] != NULL && n < COUNT(argv) - 3;
	    i++) {
		argv[n++] = "-o";
		argv[n++] = s->overrides[i];
	}
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) {
		(void)execv(path, (char *const *)(void *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static int
check_service(const struct master *m, const struct master_service *s)
{
	const struct config	*c = m->config;
	const struct program	*p = config_program(s);
	const char		*file = p == NULL ? s->command : p->file;
	struct endpoint		*e = NULL;
	struct error		 err;
	size_t			 n = 0;
	char			*path;
	int			 faults = 0;

	if (p != NULL && p->need == PROGRAM_UNNEEDED)
		return 0;
	if (endpoint_list(c, s, &e, &n, &err) < 0) {
		log_warn("master.cf line %d, service %s: %s", s->line, s->name,
		    err.text);
		faults++;
	}
	endpoint_free(&e, n);
	path = file[0] == '/' ? mem_strdup(file) :
	    mem_printf("%s/%s", c->common.daemon_directory, file);
	if (access(path, X_OK) < 0) {
		log_warn("master.cf line %d, service %s: %s: %s", s->line,
		    s->name, path, strerror(errno));
		faults++;
	} else
		faults += check_params(m, s, path);
	mem_free(&path);
	return faults;
}

int
check_all(struct master *m)
{
	struct error	 err;
	int		 faults = 0;

	if (config_load(m, &err) < 0) {
		log_error("%s", err.text);
		return 1;
	}
	faults += check_config_files(m);
	faults += directories_check(m->config, m->privileged);
	for (size_t i = 0; i < m->config->services.count; i++)
		faults += check_service(m, &m->config->services.services[i]);
	return faults + check_files(m->config);
}
