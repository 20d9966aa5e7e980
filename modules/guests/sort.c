/* Sorting: recursion over ranges, data-dependent branches, swaps through pointers.
 *
 * Each function sorts numbers made from its seed and returns a digest of the sorted array, or -1
 * if the array is not sorted.
 *
 * check: sort_quick 1
 * check: sort_heap 1
 * check: sort_insertion 1
 * check: sort_merge 1
 * check: sort_quick 12345
 * check: bench 7
 */

#define SIZE 64

static int data[SIZE], scratch[SIZE];

static void fill(int seed)
{
    unsigned state = (unsigned)seed;
    for (int i = 0; i < SIZE; i++) {
        state = state * 1103515245u + 12345u;
        data[i] = (int)(state >> 8) % 1000 - 500;
    }
}

static int digest(void)
{
    unsigned sum = 0;
    for (int i = 0; i < SIZE; i++) {
        if (i > 0 && data[i - 1] > data[i])
            return -1;
        sum = sum * 31 + (unsigned)data[i];
    }
    return (int)(sum >> 1);
}

static void swap(int *a, int *b)
{
    int t = *a;
    *a = *b;
    *b = t;
}

static void quick(int *low, int *high)
{
    if (low >= high)
        return;
    int pivot = low[(high - low) / 2];
    int *i = low, *j = high;
    while (i <= j) {
        while (*i < pivot)
            i++;
        while (*j > pivot)
            j--;
        if (i <= j)
            swap(i++, j--);
    }
    quick(low, j);
    quick(i, high);
}

static void sift_down(int root, int size)
{
    for (;;) {
        int child = 2 * root + 1;
        if (child >= size)
            return;
        if (child + 1 < size && data[child] < data[child + 1])
            child++;
        if (data[root] >= data[child])
            return;
        swap(&data[root], &data[child]);
        root = child;
    }
}

static void merge(int from, int to)
{
    if (to - from < 2)
        return;
    int middle = from + (to - from) / 2;
    merge(from, middle);
    merge(middle, to);
    for (int i = from, j = middle, k = from; k < to; k++)
        scratch[k] = i < middle && (j >= to || data[i] <= data[j]) ? data[i++] : data[j++];
    for (int k = from; k < to; k++)
        data[k] = scratch[k];
}

int sort_quick(int seed)
{
    fill(seed);
    quick(data, data + SIZE - 1);
    return digest();
}

int sort_heap(int seed)
{
    fill(seed);
    for (int root = SIZE / 2 - 1; root >= 0; root--)
        sift_down(root, SIZE);
    for (int size = SIZE - 1; size > 0; size--) {
        swap(&data[0], &data[size]);
        sift_down(0, size);
    }
    return digest();
}

int sort_insertion(int seed)
{
    fill(seed);
    for (int i = 1; i < SIZE; i++) {
        int value = data[i], j = i;
        for (; j > 0 && data[j - 1] > value; j--)
            data[j] = data[j - 1];
        data[j] = value;
    }
    return digest();
}

int sort_merge(int seed)
{
    fill(seed);
    merge(0, SIZE);
    return digest();
}

int bench(int n)
{
    int quick_digest = sort_quick(n);
    int all_agree = quick_digest == sort_heap(n) && quick_digest == sort_insertion(n)
                    && quick_digest == sort_merge(n);
    return all_agree ? quick_digest : -1;
}

int main(void)
{
    unsigned sum = 0;
    for (int i = 0; i < 1000; i++)
        sum = sum * 31 + (unsigned)bench(i);
    return (int)sum;
}
