/* A binary search tree of 3,000 nodes in an arena: insertion, look-up, recursive walk. */
#include <stdint.h>

#define N 3000

struct node { struct node *child[2]; uint32_t key, count; };

static struct node arena[N];

static struct node *insert(struct node *root, struct node *fresh)
{
    struct node **at = &root;
    while (*at) {
        if ((*at)->key == fresh->key) {
            (*at)->count++;
            return root;
        }
        at = &(*at)->child[(*at)->key < fresh->key];
    }
    *at = fresh;
    return root;
}

static uint32_t walk(const struct node *node, uint32_t depth)
{
    if (!node)
        return depth;
    uint32_t left = walk(node->child[0], depth + 1);
    return left * 31 + node->key * node->count + walk(node->child[1], depth + 1);
}

uint32_t bench(uint32_t n)
{
    uint32_t seed = n, digest;
    struct node *root = 0;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525 + 1013904223;
        arena[i] = (struct node){{0, 0}, seed >> 16, 1};
        root = insert(root, &arena[i]);
    }
    digest = walk(root, 0);
    for (uint32_t key = 0; key < 6000; key++) {
        const struct node *at = root;
        while (at && at->key != key * 11)
            at = at->child[at->key < key * 11];
        digest += at != 0;
    }
    return digest;
}
