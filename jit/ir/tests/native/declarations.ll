declare i32 @to_i32(double)
declare i64 @to_i64(double)
declare i64 @to_u64(double)
