fn main(){ for p in &clib::programs::ALL { println!("{:?}", p.native()); for v in clib::programs::VARIANTS { println!("{:?}", p.module(v)); } } }
