/* SPDX-License-Identifier: MIT */
/* Whose rights the command gets: those of who called sudo, or of a user that was named. */
#include "../platform.h"
#include "launch.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_MOST 65536 /* NGROUPS_MAX of the kernel */
#define ENTRY_SIZE  16384

/* Looked up before the launcher is made: the child that becomes the user asks nobody. */
struct launcher_user {
	bool same; /* consctl has no other rights than this user's */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int group_count;
	char *name;
	char *home;
	char *shell;
};

/* A whole number in a variable of the environment that sudo sets; false: there is none. */
static bool read_id(const char *variable, uint32_t *id)
{
	const char *text = getenv(variable);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long number = strtoul(text, &end, 10);
	if (errno || *end || number >= UINT32_MAX)
		return false;
	*id = (uint32_t)number;
	return true;
}

/* An entry of the user database, and the room of its texts. */
struct entry {
	struct passwd passwd;
	char text[ENTRY_SIZE];
};

static bool find_caller(struct entry *entry, char *why, size_t size)
{
	struct passwd *found = NULL;
	uint32_t uid = geteuid();

	if (!uid && !read_id("SUDO_UID", &uid)) {
		snprintf(why, size,
			 "nobody called consctl through sudo (SUDO_UID is not set): say whose "
			 "rights with --user=NAME");
		return false;
	}
	if (getpwuid_r(uid, &entry->passwd, entry->text, sizeof(entry->text), &found) || !found) {
		snprintf(why, size, "there is no user with the id %u (of SUDO_UID)", uid);
		return false;
	}
	return true;
}

static bool find_named(const char *name, struct entry *entry, char *why, size_t size)
{
	struct passwd *found = NULL;

	if (getpwnam_r(name, &entry->passwd, entry->text, sizeof(entry->text), &found) || !found) {
		snprintf(why, size, "there is no user '%s'", name);
		return false;
	}
	return true;
}

/* The user's groups; false: no memory. */
static bool list_groups(struct launcher_user *user)
{
	for (int room = 64; room <= GROUPS_MOST; room *= 4) {
		gid_t *grown = realloc(user->groups, (size_t)room * sizeof(*grown));
		if (!grown)
			return false;
		user->groups = grown;
		user->group_count = room;
		if (getgrouplist(user->name, user->gid, user->groups, &user->group_count) >= 0)
			return true;
	}
	return false;
}

static bool fill(struct launcher_user *user, const struct passwd *found)
{
	user->uid = found->pw_uid;
	user->gid = found->pw_gid;
	user->name = strdup(found->pw_name);
	user->home = strdup(found->pw_dir);
	user->shell = strdup(found->pw_shell && *found->pw_shell ? found->pw_shell : "/bin/sh");
	return user->name && user->home && user->shell && list_groups(user);
}

bool launcher_user_find(const char *name, struct launcher_user **user, char *why, size_t size)
{
	struct entry entry;
	const struct passwd *found = &entry.passwd;
	struct launcher_user *made;
	uint32_t gid;

	if (!(*name ? find_named(name, &entry, why, size) : find_caller(&entry, why, size)))
		return false;
	if (geteuid() && found->pw_uid != geteuid()) {
		snprintf(why, size, "only root may run a command as '%s': call consctl with sudo",
			 found->pw_name);
		return false;
	}
	made = calloc(1, sizeof(*made));
	if (!made || !fill(made, found)) {
		launcher_user_free(made);
		snprintf(why, size, "out of memory for what is known of the user");
		return false;
	}
	/* Who called sudo may have changed it with newgrp(1). */
	if (!*name && read_id("SUDO_GID", &gid))
		made->gid = gid;
	made->same = geteuid() != 0;
	*user = made;
	return true;
}

void launcher_user_free(struct launcher_user *user)
{
	if (!user)
		return;
	free(user->groups);
	free(user->name);
	free(user->home);
	free(user->shell);
	free(user);
}

int launch_become(const struct launcher_user *user)
{
	if (!user || user->same)
		return 0;
	if (setenv("HOME", user->home, 1) || setenv("USER", user->name, 1) ||
	    setenv("LOGNAME", user->name, 1) || setenv("SHELL", user->shell, 1))
		return ENOMEM;
	/* The user last: whoever is not root may not change the groups. */
	if (setgroups((size_t)user->group_count, user->groups) ||
	    setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return errno;
	return 0;
}
