"""Commands about users and what they may do."""

from __future__ import annotations

from kvstore.rows.row import Row

# fmt: off
GROUPS: dict[str, list[Row]] = {
    "server": [
        Row("acl", -2, "", "", "6.0.0", "",
            "", "Users and what they may do"),
        Row("acl|cat", -2, "noscript loading stale", "", "6.0.0", "",
            "[categoryname]", "The categories, or the commands of one"),
        Row("acl|deluser", -3, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "username [username ...]", "Remove users and end their connections"),
        Row("acl|dryrun", -4, "admin noscript loading stale", "dangerous", "7.0.0", "",
            "username command [arg [arg ...]]", "Whether a user may run a command"),
        Row("acl|genpass", -2, "noscript loading stale", "", "6.0.0", "",
            "[bits]", "A password nobody guesses"),
        Row("acl|getuser", 3, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "username", "What a user may do"),
        Row("acl|help", 2, "loading stale", "", "6.0.0", "",
            "", "What ACL can do"),
        Row("acl|list", 2, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "", "All users, as rules"),
        Row("acl|load", 2, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "", "Read the users from the ACL file again"),
        Row("acl|log", -2, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "[count | RESET]", "Requests and logins that were refused"),
        Row("acl|save", 2, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "", "Write the users to the ACL file"),
        Row("acl|setuser", -3, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "username [rule [rule ...]]", "Make or change a user"),
        Row("acl|users", 2, "admin noscript loading stale", "dangerous", "6.0.0", "",
            "", "Names of the users"),
        Row("acl|whoami", 2, "noscript loading stale", "", "6.0.0", "",
            "", "The name of the user one is"),
    ],
}
