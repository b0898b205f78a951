/*
 * parser.h - the head of a request taken apart: the seam to the library that parses.
 *
 * Two steps.  The gate looks at lines as they come, and lets only a head through that is spelled as
 * the standard has it; it is ours, because parsers forgive what smuggling needs (bare line feeds,
 * folded fields, blanks before a colon).  The parser, http-parser or llhttp, then says what the
 * parts of the complete head are.
 */
#ifndef AW_HTTP_PARSER_H
#define AW_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field; both are strings in the head's own memory. */
struct aw_http_field {
    const char *name, *value;
    uint32_t name_len, value_len;
};

/* A head taken apart. */
struct aw_http_head {
    const char *method;
    char *target;
    size_t target_len;
    int minor; /* 0 or 1 */
    struct aw_http_field *fields;
    size_t n_fields;
};

/* Where the gate is in a head that is coming.  All zero at first. */
struct aw_http_gate {
    size_t at;    /* bytes that were looked at */
    size_t line;  /* where the line begins that is coming */
    size_t skip;  /* an empty line before the head */
    size_t lines; /* complete ones, that of the request included */
};

/* Look at what there is of a head, n bytes from its beginning: its length once it is complete, 0
 * while it is not, -1 when it is to be refused, and *why says why. */
ptrdiff_t aw_http_gate(struct aw_http_gate *g, const char *data, size_t n, const char **why);

/* Take a complete head apart, in place: NULL, or why it is to be refused and with which status.
 * head->fields has room for as many as there are lines. */
const char *aw_http_parse(struct aw_http_head *head, char *data, size_t n, int *ret_status);

/* The reason phrase of a status; "Unknown" for one that has none. */
const char *aw_http_reason(int status);

#endif
