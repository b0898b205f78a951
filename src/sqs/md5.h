/*
 * md5.h - MD5 in steps: begin, add what there is, end with the sum in hexadecimal.
 */
#ifndef AW_SQS_MD5_H
#define AW_SQS_MD5_H

#include "base/base.h"

struct aw_sqs_md5 {
    uint32_t s[4];
    uint64_t n; /* bytes so far */
    unsigned char part[64];
};

void aw_sqs_md5_begin(struct aw_sqs_md5 *m);
void aw_sqs_md5_add(struct aw_sqs_md5 *m, const void *data, size_t n);
void aw_sqs_md5_end(struct aw_sqs_md5 *m, char hex[33]);

#endif
